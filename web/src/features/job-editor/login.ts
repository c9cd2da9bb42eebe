/** What a job signs in to its devices with, where its context does: a stored credential, or their service accounts. */

export interface Login {
  credential_id: number | null;
  use_service_account: boolean;
}

type Rest = Readonly<Record<string, unknown>>;

/** What a context signs in by; null where it runs through the agent. */
export const loginKind = (context: string): "ssh" | "winrm" | null => {
  if (context.startsWith("ssh")) return "ssh";
  return context.startsWith("winrm") ? "winrm" : null;
};

/** As the draft holds it, whatever its context is just now. */
export const heldLogin = (rest: Rest): Login => ({
  credential_id: typeof rest["credential_id"] === "number" ? rest["credential_id"] : null,
  use_service_account: rest["use_service_account"] === true,
});

/** What is sent: what has no effect in this context is refused by the API, and so is left behind. */
export const sentLogin = (context: string, rest: Rest): Login =>
  loginKind(context) ? heldLogin(rest) : { credential_id: null, use_service_account: false };

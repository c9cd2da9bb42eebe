import type { Credential, CredentialKind, CredentialsQuery, Transport } from "@/api/credentials";
import { oneOf, text, type Values, wholeNumber } from "@/lib/search-params";

export const KINDS: readonly { value: CredentialKind; label: string }[] = [
  { value: "ssh", label: "SSH" },
  { value: "winrm", label: "WinRM" },
];

export const TRANSPORTS: readonly { value: Transport; label: string }[] = [
  { value: "ntlm", label: "NTLM" },
  { value: "kerberos", label: "Kerberos" },
  { value: "credssp", label: "CredSSP" },
  { value: "basic", label: "Basic, over TLS" },
  { value: "certificate", label: "Certificate, over TLS" },
];

export const STATES: readonly { value: Credential["state"]; label: string }[] = [
  { value: "ready", label: "Ready" },
  { value: "reset_required", label: "Secrets lost" },
];

/** The state of the list in its address; the names are those of the API's list. */
export const CREDENTIAL_FILTERS = {
  q: text(),
  kind: oneOf(KINDS.map((one) => one.value)),
  site_id: wholeNumber(),
  state: oneOf(STATES.map((one) => one.value)),
};

export const queryOf = (state: Values<typeof CREDENTIAL_FILTERS>): CredentialsQuery => ({
  q: state.q || undefined,
  kind: state.kind ?? undefined,
  site_id: state.site_id ?? undefined,
  state: state.state ?? undefined,
});

const labelOf = (options: readonly { value: string; label: string }[], value: string): string =>
  options.find((one) => one.value === value)?.label ?? value;

export const kindInWords = (one: Credential): string =>
  labelOf(KINDS, one.kind) + (one.transport ? ` · ${labelOf(TRANSPORTS, one.transport)}` : "");

/** What it signs in by, as far as the reader is told. */
export const meansInWords = (one: Credential): string =>
  [
    one.has_password ? "password" : null,
    one.has_private_key ? `${one.transport === "certificate" ? "certificate with " : ""}${one.key?.type ?? ""} key` : null,
  ]
    .filter((word) => word !== null)
    .join(" and ");

const SECRETS: Readonly<Record<string, string>> = {
  password: "password",
  private_key: "private key",
  passphrase: "passphrase",
  "become.password": "password to become another user",
};

/** The secrets that must be given anew, as a sentence names them. */
export const lostInWords = (one: Credential): string =>
  (one.lost_secrets ?? []).map((name) => SECRETS[name] ?? name).join(", ") || "its secrets";

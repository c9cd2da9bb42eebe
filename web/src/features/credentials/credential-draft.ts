import type { BecomeMethod, Credential, CredentialBody, CredentialKind, Transport } from "@/api/credentials";

/** A credential while it is written. Secrets begin empty: what is stored is never shown, and stays where nothing is typed. */

export interface SecretDraft {
  text: string;
  /** The stored one is taken away. */
  isRemoved: boolean;
}

export const SECRETS = ["password", "private_key", "passphrase", "become_password"] as const;
export type SecretName = (typeof SECRETS)[number];

export interface CredentialDraft {
  name: string;
  description: string;
  siteId: string | null;
  kind: CredentialKind;
  username: string;
  domain: string;
  port: number | null;
  transport: Transport;
  tls: boolean;
  validateCertificates: boolean;
  certificate: string;
  /** Empty = nobody is become. */
  becomeMethod: BecomeMethod | "";
  becomeUser: string;
  secrets: Readonly<Record<SecretName, SecretDraft>>;
}

const UNTOUCHED: SecretDraft = { text: "", isRemoved: false };

export const draftOf = (one: Credential | null): CredentialDraft => ({
  name: one?.name ?? "",
  description: one?.description ?? "",
  siteId: one?.site_id === null || one === null ? null : String(one.site_id),
  kind: one?.kind ?? "ssh",
  username: one?.username ?? "",
  domain: one?.domain ?? "",
  port: one?.port ?? null,
  transport: one?.transport ?? "ntlm",
  tls: one?.tls ?? true,
  validateCertificates: one?.validate_certificates ?? true,
  certificate: one?.certificate ?? "",
  becomeMethod: one?.become?.method ?? "",
  becomeUser: one?.become?.user ?? "",
  secrets: { password: UNTOUCHED, private_key: UNTOUCHED, passphrase: UNTOUCHED, become_password: UNTOUCHED },
});

export const isByCertificate = (draft: CredentialDraft): boolean => draft.kind === "winrm" && draft.transport === "certificate";

/** Which secrets this way to sign in has a use for. */
export const takes = (draft: CredentialDraft, name: SecretName): boolean => {
  if (name === "become_password") return draft.becomeMethod !== "";
  if (draft.kind === "ssh") return true;
  return isByCertificate(draft) ? name === "private_key" : name === "password";
};

/** Whether there is one stored that would stay. */
export const isStored = (before: Credential | null, name: SecretName): boolean => {
  if (name === "become_password") return before?.become?.has_password ?? false;
  return before?.[`has_${name}`] ?? false;
};

/** Said only where it was typed or taken away: what is left out stays as it is stored. */
const said = (draft: CredentialDraft, name: SecretName, field: string): Record<string, string | null> => {
  const { text, isRemoved } = draft.secrets[name];
  if (!takes(draft, name)) return {};
  if (text) return { [field]: text };
  return isRemoved ? { [field]: null } : {};
};

const becomeOf = (draft: CredentialDraft): CredentialBody["become"] =>
  draft.becomeMethod === ""
    ? null
    : {
        method: draft.becomeMethod,
        ...(draft.becomeUser.trim() ? { user: draft.becomeUser.trim() } : {}),
        ...said(draft, "become_password", "password"),
      };

export const bodyOf = (draft: CredentialDraft): CredentialBody => ({
  name: draft.name.trim(),
  description: draft.description,
  site_id: draft.siteId === null ? null : Number(draft.siteId),
  kind: draft.kind,
  ...(isByCertificate(draft) ? { certificate: draft.certificate } : { username: draft.username.trim() || null }),
  domain: draft.domain.trim() || null,
  port: draft.port,
  ...(draft.kind === "winrm"
    ? {
        transport: draft.transport,
        tls: draft.tls,
        ...(draft.tls ? { validate_certificates: draft.validateCertificates } : {}),
      }
    : {}),
  become: becomeOf(draft),
  ...said(draft, "password", "password"),
  ...said(draft, "private_key", "private_key"),
  ...said(draft, "passphrase", "passphrase"),
});

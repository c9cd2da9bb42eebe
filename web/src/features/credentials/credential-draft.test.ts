import { expect, it } from "vitest";
import type { Credential } from "@/api/credentials";
import { bodyOf, draftOf, isStored, takes } from "./credential-draft";

const STORED: Credential = {
  id: 1,
  name: "Fleet root",
  kind: "ssh",
  site_id: 7,
  site_name: "Harbour",
  state: "ready",
  lost_secrets: [],
  description: "of the fleet",
  username: "root",
  domain: null,
  port: 2222,
  has_password: true,
  has_private_key: true,
  has_passphrase: false,
  key: { type: "ed25519", bits: 256, fingerprint: "SHA256:x" },
  transport: null,
  tls: null,
  validate_certificates: null,
  certificate: null,
  certificate_fingerprint: null,
  certificate_expires_at: null,
  become: { method: "su", user: "admin", has_password: true },
  revision: 3,
  created_at: "2026-01-01T00:00:00Z",
  created_by: "ada",
  updated_at: "2026-01-01T00:00:00Z",
  updated_by: "ada",
  allowed_actions: [],
};

const typed = (text: string) => ({ text, isRemoved: false });

it("says nothing of secrets that nobody touched, so that they stay", () => {
  expect(bodyOf(draftOf(STORED))).toEqual({
    name: "Fleet root",
    description: "of the fleet",
    site_id: 7,
    kind: "ssh",
    username: "root",
    domain: null,
    port: 2222,
    become: { method: "su", user: "admin" },
  });
  expect(isStored(STORED, "become_password")).toBe(true);
  expect(isStored(STORED, "passphrase")).toBe(false);
});

it("sends what was typed, and null for what is taken away", () => {
  const draft = draftOf(STORED);
  const secrets = { ...draft.secrets, password: { text: "", isRemoved: true }, private_key: typed("a key") };
  const body = bodyOf({ ...draft, secrets });
  expect(body.password).toBeNull();
  expect(body.private_key).toBe("a key");
  expect("passphrase" in body).toBe(false);
});

it("leaves out what another way to sign in has no use for", () => {
  const draft = { ...draftOf(null), name: "Windows", kind: "winrm" as const, username: "Administrator" };
  const secrets = { ...draft.secrets, password: typed("x"), private_key: typed("a key"), become_password: typed("y") };
  expect(bodyOf({ ...draft, secrets })).toMatchObject({ transport: "ntlm", tls: true, password: "x", become: null });
  expect("private_key" in bodyOf({ ...draft, secrets })).toBe(false);
  const byCertificate = bodyOf({ ...draft, secrets, transport: "certificate", certificate: "PEM" });
  expect(byCertificate).toMatchObject({ private_key: "a key", certificate: "PEM" });
  expect("password" in byCertificate || "username" in byCertificate).toBe(false);
  expect("validate_certificates" in bodyOf({ ...draft, tls: false })).toBe(false);
});

it("takes a passphrase for SSH alone", () => {
  const draft = draftOf(null);
  expect(takes(draft, "passphrase")).toBe(true);
  expect(takes({ ...draft, kind: "winrm" }, "passphrase")).toBe(false);
});

import { expect, it } from "vitest";
import { bodyOf, draftOf, newDraft } from "./form";
import { heldLogin, loginKind, sentLogin } from "./login";

it("knows what each context signs in by", () => {
  expect(["ssh", "ssh_individual"].map(loginKind)).toEqual(["ssh", "ssh"]);
  expect(["winrm", "winrm_individual"].map(loginKind)).toEqual(["winrm", "winrm"]);
  expect(["system", "current_user"].map(loginKind)).toEqual([null, null]);
});

it("sends a login only where the context signs in", () => {
  const rest = { credential_id: 7, use_service_account: false };
  expect(sentLogin("ssh", rest)).toEqual({ credential_id: 7, use_service_account: false });
  expect(sentLogin("system", rest)).toEqual({ credential_id: null, use_service_account: false });
  expect(heldLogin({ use_service_account: true })).toEqual({ credential_id: null, use_service_account: true });
});

it("goes through the draft of a job", () => {
  const draft = draftOf({ credential_id: 7, use_service_account: false });
  expect(heldLogin(draft.rest).credential_id).toBe(7);
  expect(bodyOf(draft)).toMatchObject({ credential_id: null, use_service_account: false });
  expect(bodyOf(newDraft("UTC"))).toMatchObject({ credential_id: null, use_service_account: false });
});

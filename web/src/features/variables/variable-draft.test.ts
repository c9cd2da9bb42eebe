import { expect, it } from "vitest";
import type { VariableValue } from "@/api/variables";
import { bodyOf, draftOf, lackingPlace } from "./variable-draft";

const SECRET: VariableValue = {
  id: 1,
  name: "VAULT_TOKEN",
  scope: "site",
  site_id: 7,
  site_name: "Harbour",
  device_id: null,
  hostname: null,
  description: "of the vault",
  is_secret: true,
  is_set: true,
  value: null,
  revision: 2,
  set_at: "2026-01-01T00:00:00Z",
  set_by: "admin",
};

it("keeps a stored secret when no new one is typed", () => {
  expect(bodyOf(draftOf(SECRET))).toEqual({
    name: "VAULT_TOKEN",
    description: "of the vault",
    is_secret: true,
    site_id: 7,
    device_id: null,
    value: null,
  });
});

it("sends values as what they are, and what is no number for the Engine to refuse", () => {
  const draft = { ...draftOf(null), name: "X" };
  expect(bodyOf({ ...draft, kind: "text", text: "3" }).value).toBe("3");
  expect(bodyOf({ ...draft, kind: "number", text: "3" }).value).toBe(3);
  expect(bodyOf({ ...draft, kind: "number", text: "three" }).value).toBe("three");
  expect(bodyOf({ ...draft, kind: "boolean", text: "false" }).value).toBe(false);
});

it("is for nobody before a place is chosen", () => {
  const draft = draftOf(null);
  expect(lackingPlace(draft)).toBeNull();
  expect(lackingPlace({ ...draft, scope: "site" })).toBe("Choose a site.");
  expect(lackingPlace({ ...draft, scope: "device" })).toBe("Choose a device.");
});

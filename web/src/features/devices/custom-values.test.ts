import { expect, it } from "vitest";
import type { CustomField } from "@/api/custom-fields";
import { changesOf, draftOf } from "./custom-values";

const field = (name: string, type: CustomField["type"]): CustomField => ({
  id: 1,
  name,
  label: name,
  type,
  description: "",
  settable_by_scripts: false,
  revision: 1,
  created_at: "2026-11-29T10:00:00Z",
  updated_at: "2026-11-29T10:00:00Z",
});
const FIELDS = [field("rack", "text"), field("units", "number"), field("spare", "boolean"), field("until", "date")];
const set = (type: CustomField["type"], value: string | number | boolean) =>
  ({ type, value, set_by: "operator", set_at: "2026-11-29T10:00:00Z" }) as const;

it("sends only what was changed, in the type of its field", () => {
  const before = draftOf({ custom_values: { rack: set("text", "B-12"), units: set("number", 2) } });
  expect(before).toEqual({ rack: "B-12", units: "2" });
  const draft = { ...before, units: "4", spare: "false", until: "2026-12-31" };
  expect(changesOf(FIELDS, before, draft)).toEqual({ units: 4, spare: false, until: "2026-12-31" });
});

it("takes a value away where it was emptied, and leaves a bad number to the Engine", () => {
  const before = { rack: "B-12" };
  expect(changesOf(FIELDS, before, { rack: "", units: "four" })).toEqual({ rack: null, units: "four" });
  expect(changesOf(FIELDS, before, before)).toEqual({});
});

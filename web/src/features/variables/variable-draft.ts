import type { Scope, VariableValue, VariableValueBody } from "@/api/variables";

/** A value while it is set. A secret begins empty: what is stored is never shown. */

export type Kind = "text" | "number" | "boolean" | "secret";

export const KINDS: readonly { value: Kind; label: string }[] = [
  { value: "text", label: "Text" },
  { value: "number", label: "Number" },
  { value: "boolean", label: "Yes or no" },
  { value: "secret", label: "Secret" },
];

export interface ValueDraft {
  name: string;
  description: string;
  scope: Scope;
  siteId: string | null;
  deviceId: string | null;
  kind: Kind;
  text: string;
}

const kindOf = (one: VariableValue): Kind => {
  if (one.is_secret) return "secret";
  return typeof one.value === "boolean" ? "boolean" : typeof one.value === "number" ? "number" : "text";
};

export const draftOf = (one: VariableValue | null): ValueDraft => ({
  name: one?.name ?? "",
  description: one?.description ?? "",
  scope: one?.scope ?? "everything",
  siteId: one?.site_id === null || one === null ? null : String(one.site_id),
  deviceId: one?.device_id ?? null,
  kind: one ? kindOf(one) : "text",
  text: one === null || one.value === null ? "" : String(one.value),
});

const valueOf = ({ kind, text }: ValueDraft): VariableValueBody["value"] => {
  if (text === "") return null; // of an edit: what is stored stays
  if (kind === "boolean") return text === "true";
  return kind === "number" && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
};

/** What is sent. A site or device that was not chosen is sent as none was: the caller asks for it first. */
export const bodyOf = (draft: ValueDraft): VariableValueBody => ({
  name: draft.name.trim(),
  description: draft.description,
  is_secret: draft.kind === "secret",
  site_id: draft.scope === "site" && draft.siteId ? Number(draft.siteId) : null,
  device_id: draft.scope === "device" ? draft.deviceId : null,
  value: valueOf(draft),
});

/** What is still lacking before it can be sent: without its place, a value would be for everything. */
export const lackingPlace = (draft: ValueDraft): string | null => {
  if (draft.scope === "site" && !draft.siteId) return "Choose a site.";
  return draft.scope === "device" && !draft.deviceId ? "Choose a device." : null;
};

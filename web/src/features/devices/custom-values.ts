import type { CustomValues, Device } from "@/api/devices";
import type { CustomField } from "@/api/custom-fields";

/** Custom values as a form has them: texts, "" where there is none. */
export type Draft = Partial<Record<string, string>>;

export const draftOf = (device: Pick<Device, "custom_values">): Draft =>
  Object.fromEntries(Object.entries(device.custom_values).map(([name, one]) => [name, String(one.value)]));

const valueOf = (field: CustomField, text: string): string | number | boolean | null => {
  if (text === "") return null;
  if (field.type === "boolean") return text === "true";
  // What is no number goes as it was typed: the Engine says what is wrong with it.
  if (field.type === "number") return Number.isFinite(Number(text)) ? Number(text) : text;
  return text;
};

/** Only what was changed, for an API that leaves alone what is not named. */
export const changesOf = (fields: readonly CustomField[], before: Draft, draft: Draft): CustomValues =>
  Object.fromEntries(
    fields
      .filter(({ name }) => (draft[name] ?? "") !== (before[name] ?? ""))
      .map((field) => [field.name, valueOf(field, draft[field.name] ?? "")]),
  );

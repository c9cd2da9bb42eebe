import type { Scope, VariablesQuery, VariableValue } from "@/api/variables";
import { oneOf, text, type Values, wholeNumber } from "@/lib/search-params";

export const SCOPES: readonly { value: Scope; label: string }[] = [
  { value: "everything", label: "For everything" },
  { value: "site", label: "For a site" },
  { value: "device", label: "For a device" },
];

/** The state of the list in its address; the names are those of the API's list. */
export const VARIABLE_FILTERS = {
  q: text(),
  scope: oneOf(SCOPES.map((one) => one.value)),
  site_id: wholeNumber(),
  device_id: text(),
};

export const queryOf = (state: Values<typeof VARIABLE_FILTERS>): VariablesQuery => ({
  q: state.q || undefined,
  scope: state.scope ?? undefined,
  site_id: state.site_id ?? undefined,
  device_id: state.device_id || undefined,
});

/** Whom a value is for, as it is said in a sentence. */
export const placeInWords = (one: VariableValue): string => {
  if (one.scope === "site") return `the site ${one.site_name ?? one.site_id ?? ""}`;
  return one.scope === "device" ? `the device ${one.hostname ?? one.device_id ?? ""}` : "everything";
};

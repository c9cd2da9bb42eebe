import type { FiltersQuery } from "@/api/filters";
import { oneOf, oneOfOr, text, type Values } from "@/lib/search-params";

export const ARCHIVED = [
  { value: "true", label: "Archived" },
  { value: "all", label: "All" },
] as const;

const SORTS = ["name", "-name", "updated_at", "-updated_at"] as const;

/** The state of the list of filters in its address; the names are those of the API's list. */
export const FILTER_FILTERS = {
  q: text(),
  archived: oneOf(ARCHIVED.map((one) => one.value)),
  sort: oneOfOr(SORTS, "name"),
};

export const queryOf = (state: Values<typeof FILTER_FILTERS>): FiltersQuery => ({
  q: state.q || undefined,
  archived: state.archived ?? undefined,
  sort: state.sort,
});

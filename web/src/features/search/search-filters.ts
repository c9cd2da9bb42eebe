import { TARGET_STATES } from "@/api/runs";
import type { SearchQuery } from "@/api/search";
import { oneOf, text, type Values, wholeNumber } from "@/lib/search-params";
import { stateMark } from "@/lib/states";
import { toInstant } from "@/lib/time";

export const STATES = TARGET_STATES.map((value) => ({ value, label: stateMark(value).word }));

/** The state of the search in its address; the names are those of the API. */
export const SEARCH_FILTERS = {
  q: text(),
  job_id: wholeNumber(),
  device_id: text(),
  site_id: wholeNumber(),
  state: oneOf(TARGET_STATES),
  stream: oneOf(["stdout", "stderr"] as const),
  /** Days, both included. */
  from: text(),
  to: text(),
};
export type SearchState = Values<typeof SEARCH_FILTERS>;

export const queryOf = (state: SearchState): SearchQuery => ({
  q: state.q,
  job_id: state.job_id ?? undefined,
  device_id: state.device_id || undefined,
  site_id: state.site_id === null ? undefined : [state.site_id],
  state: state.state ? [state.state] : undefined,
  stream: state.stream ?? undefined,
  since: toInstant(state.from && `${state.from}T00:00`) ?? undefined,
  until: toInstant(state.to && `${state.to}T23:59:59.999`) ?? undefined,
});

export const NO_FILTER = {
  job_id: null,
  device_id: "",
  site_id: null,
  state: null,
  stream: null,
  from: "",
  to: "",
} satisfies Partial<SearchState>;

export const isFiltered = (state: SearchState): boolean =>
  Object.entries<unknown>(queryOf(state)).some(([name, value]) => name !== "q" && value !== undefined);

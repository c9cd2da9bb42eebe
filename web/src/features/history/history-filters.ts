import type { HistoryQuery } from "@/api/history";
import { oneOf, text, texts, type Values } from "@/lib/search-params";
import { toInstant } from "@/lib/time";

export const WHATS = [
  { value: "open", label: "Running" },
  { value: "success", label: "Success" },
  { value: "warning", label: "Warning" },
  { value: "failed", label: "Failed" },
  { value: "cancelled", label: "Cancelled" },
  { value: "missed", label: "Missed" },
  { value: "skipped", label: "Skipped" },
  { value: "held", label: "Held" },
] as const;
export type What = (typeof WHATS)[number]["value"];

export const KINDS = [
  { value: "schedule", label: "By its schedule" },
  { value: "manual", label: "By hand" },
  { value: "rerun", label: "Run again" },
  { value: "backfill", label: "For a past instant" },
] as const;

/** The state of a job's history in its address. */
export const HISTORY_FILTERS = {
  what: oneOf(WHATS.map((one) => one.value)),
  kind: oneOf(KINDS.map((one) => one.value)),
  /** Days, both included. */
  from: text(),
  to: text(),
  /** The two that are compared, older first. */
  compare: texts(),
};
export type HistoryState = Values<typeof HISTORY_FILTERS>;

/** States and outcomes are two things to the API, and one to people. */
const ofWhat = (what: What | null): HistoryQuery => {
  switch (what) {
    case null:
      return {};
    case "open":
    case "missed":
    case "skipped":
    case "held":
      return { state: [what] };
    case "success":
    case "warning":
    case "failed":
    case "cancelled":
      return { outcome: [what] };
  }
};

export const queryOf = (state: HistoryState): HistoryQuery => ({
  ...ofWhat(state.what),
  kind: state.kind ? [state.kind] : undefined,
  since: toInstant(state.from && `${state.from}T00:00`) ?? undefined,
  until: toInstant(state.to && `${state.to}T23:59:59.999`) ?? undefined,
});

export const isFiltered = (state: HistoryState): boolean =>
  Boolean(state.what ?? state.kind) || state.from !== "" || state.to !== "";
export const NO_FILTER = { what: null, kind: null, from: "", to: "" } satisfies Partial<HistoryState>;

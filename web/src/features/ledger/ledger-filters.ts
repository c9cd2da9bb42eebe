import type { LedgerEntry, LedgerQuery } from "@/api/ledger";
import { type Bounds, RANGE_NAMES } from "@/lib/ranges";
import { oneOf, oneOfOr, text, texts, type Values, wholeNumber } from "@/lib/search-params";

/** What the ledger can be asked for. The first is why one comes here: what did not happen. */
export const SHOWN = [
  { value: "not_run", label: "Did not run" },
  { value: "held", label: "Held" },
  { value: "missed", label: "Missed" },
  { value: "skipped", label: "Skipped" },
  { value: "late", label: "Ran late" },
  { value: "all", label: "Everything" },
] as const;

type State = LedgerEntry["state"];
const STATES_SHOWN: Readonly<Record<(typeof SHOWN)[number]["value"], State[]>> = {
  not_run: ["held", "missed", "skipped"],
  held: ["held"],
  missed: ["missed"],
  skipped: ["skipped"],
  late: [],
  all: [],
};

/** Why, in the words of people; the names are those of the API. */
export const REASONS = [
  { value: "storm_guard", label: "Storm guard" },
  { value: "misfire_hold", label: "Held by its catch-up policy" },
  { value: "held_by_window", label: "Waits for a window" },
  { value: "awaiting_approval", label: "Waits for approval" },
  { value: "targets_changed", label: "Targets changed" },
  { value: "catch_up_window", label: "Catch-up window passed" },
  { value: "misfire_policy", label: "Not made up for" },
  { value: "overlap", label: "Run before still going" },
  { value: "blackout", label: "Window closed" },
  { value: "no_devices_targeted", label: "No devices" },
  { value: "no_eligible_targets", label: "No device fits" },
  { value: "targets_unknown", label: "Filter fails" },
  { value: "no_canaries", label: "No canaries" },
  { value: "paused", label: "Paused" },
  { value: "by_operator", label: "Skipped by a person" },
  { value: "job_gone", label: "Job is gone" },
] as const;

export const LEDGER_FILTERS = {
  q: text(),
  show: oneOfOr(
    SHOWN.map((one) => one.value),
    "not_run",
  ),
  reason: oneOf(REASONS.map((one) => one.value)),
  job_id: wholeNumber(),
  site_id: wholeNumber(),
  range: oneOfOr(RANGE_NAMES, "7d"),
  from: text(),
  to: text(),
  columns: texts(),
};

export type LedgerState = Values<typeof LEDGER_FILTERS>;

export const queryOf = (state: LedgerState, bounds: Bounds): LedgerQuery => ({
  q: state.q || undefined,
  state: STATES_SHOWN[state.show].length ? STATES_SHOWN[state.show] : undefined,
  late: state.show === "late" ? true : undefined,
  reason: state.reason ? [state.reason] : undefined,
  job_id: state.job_id ?? undefined,
  site_id: state.site_id ?? undefined,
  ...bounds,
  // Newest first, also where the end lies ahead: what is to come is the calendar's.
  sort: "-time",
});

export const reasonInWords = (reason: string | null): string =>
  REASONS.find((one) => one.value === reason)?.label ?? reason?.replaceAll("_", " ") ?? "–";

/** Whether something beyond the usual is asked for. */
export const isFiltered = (state: LedgerState): boolean =>
  Boolean(state.q) || state.reason !== null || state.job_id !== null || state.site_id !== null || state.range !== "7d";

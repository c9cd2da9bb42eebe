import { type RowSource, TARGET_STATES, VERDICTS } from "@/api/runs";
import { oneOf, oneOfOr, someOf, text, type Values, wholeNumber } from "@/lib/search-params";

/** The state of the page of a run in its address. */
export const RUN_FILTERS = {
  occurrence: text(),
  state: someOf(TARGET_STATES),
  verdict: someOf(VERDICTS),
  q: text(),
  /** Only who wrote the output of this group. */
  output: text(),
  view: oneOfOr(["devices", "outputs", "recap"] as const, "devices"),
  /** The device row whose output is shown. */
  target: wholeNumber(),
  execution: text(),
  stream: oneOf(["stdout", "stderr"] as const),
};
export type RunState = Values<typeof RUN_FILTERS>;

export const sourceOf = (jobId: number, occurrenceId: string, state: RunState): RowSource => ({
  jobId,
  occurrenceId,
  state: state.state,
  verdict: state.verdict,
  q: state.q,
  output: state.output || null,
});

export const isFiltered = (state: RunState): boolean =>
  state.state.length > 0 || state.verdict.length > 0 || state.q !== "" || state.output !== "";

export const NO_FILTER = { state: [], verdict: [], q: "", output: "" } satisfies Partial<RunState>;

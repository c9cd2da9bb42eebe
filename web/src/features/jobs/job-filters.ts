import type { JobsQuery } from "@/api/jobs";
import { flag, oneOf, oneOfOr, text, texts, type Values, wholeNumber } from "@/lib/search-params";

export const JOB_STATES = [
  { value: "active", label: "Active" },
  { value: "paused", label: "Paused" },
  { value: "completed", label: "Completed" },
  { value: "error", label: "Error" },
] as const;

export const HEALTHS = [
  { value: "failing", label: "Failing" },
  { value: "missed", label: "Missed" },
  { value: "waiting", label: "Waiting" },
  { value: "will_not_fire", label: "Will not fire" },
] as const;

export const JOB_KINDS = [
  { value: "automation", label: "Automation" },
  { value: "onboarding", label: "Onboarding" },
] as const;

const SORTS = [
  "name",
  "-name",
  "next_due",
  "-next_due",
  "last_run",
  "-last_run",
  "updated",
  "-updated",
  "state",
  "-state",
] as const;

/** The state of the list of jobs in its address; the names are those of the API's list. */
export const JOB_FILTERS = {
  q: text(),
  state: oneOf(JOB_STATES.map((one) => one.value)),
  health: oneOf(HEALTHS.map((one) => one.value)),
  enabled: flag(),
  kind: oneOf(JOB_KINDS.map((one) => one.value)),
  site_id: wholeNumber(),
  tag: texts(),
  sort: oneOfOr(SORTS, "name"),
  columns: texts(),
  view: wholeNumber(),
};

export const queryOf = (state: Values<typeof JOB_FILTERS>): JobsQuery => ({
  q: state.q || undefined,
  state: state.state ?? undefined,
  health: state.health ?? undefined,
  enabled: state.enabled ?? undefined,
  kind: state.kind ?? undefined,
  site_id: state.site_id ?? undefined,
  tag: state.tag.length ? state.tag : undefined,
  sort: state.sort,
});

import type { JobAway, OutageTotals } from "@/api/ledger";

/** Words about outages that the Engine gives as codes. */

export const KINDS: Readonly<Record<string, string>> = {
  outage: "The Engine was away",
  clock_jump: "The clock jumped ahead",
  clock_regressed: "The clock went back",
  clock_skew: "Clocks differ",
};

export const PROPOSALS: Readonly<Record<JobAway["proposed"], string>> = {
  run_latest: "Run the latest only",
  run_all: "Run all",
  skip: "Skip: it has run since",
  decide: "Yours to decide",
  none: "–",
};

export type Action = "release" | "latest" | "skip";

export const ACTIONS: Readonly<Record<Action, { label: string; verb: string; says: string }>> = {
  release: { label: "Run all held…", verb: "Run", says: "All that is held runs, the oldest first." },
  latest: { label: "Run the latest of each…", verb: "Decide on", says: "The newest of each job runs, its others are skipped." },
  skip: { label: "Skip all held…", verb: "Skip", says: "None of it runs." },
};

export const counted = (count: number, what: string): string => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;

export interface Hit {
  held: number;
  /** null: how many jobs that are is not known here. */
  jobs: number | null;
}

/** How much a decision hits: of chosen jobs, or of all that the outage left. */
export const hitBy = (jobs: readonly Pick<JobAway, "held">[] | "all", totals: OutageTotals): Hit =>
  jobs === "all"
    ? { held: totals.held, jobs: null }
    : { held: jobs.reduce((sum, one) => sum + one.held, 0), jobs: jobs.filter((one) => one.held > 0).length };

export const hitInWords = ({ held, jobs }: Hit): string =>
  jobs === null ? counted(held, "held occurrence") : `${counted(held, "held occurrence")} of ${counted(jobs, "job")}`;

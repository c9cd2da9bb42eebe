import type { Recap } from "@/api/runs";

/** In the order in which Ansible prints them. */
export const COUNTERS = [
  "ok",
  "changed",
  "unreachable",
  "failed",
  "skipped",
  "rescued",
  "ignored",
] as const satisfies readonly (keyof Recap)[];
export type Counter = (typeof COUNTERS)[number];

/** What a counter that is not nothing is to a person who looks for trouble; nothing is never anything. */
export const tone = (counter: Counter, number: number): "bad" | "warn" | "good" | undefined => {
  if (number === 0) return undefined;
  if (counter === "failed" || counter === "unreachable") return "bad";
  if (counter === "changed" || counter === "rescued" || counter === "ignored") return "warn";
  return counter === "ok" ? "good" : undefined;
};

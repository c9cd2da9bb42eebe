import type { Execution } from "@/api/runs";
import type { StreamName } from "@/lib/output-stream";

/** The execution whose output says most: the last one that ran, as those that were left out behind it wrote nothing. */
export const usualExecution = (executions: readonly Execution[]): Execution | null =>
  executions.findLast((one) => one.outcome !== "skipped") ?? executions.at(-1) ?? null;

/** The stream that says most. One that is being read and has something stays; of what failed it is the one of errors. */
export const usualStream = (
  sizes: Readonly<Record<StreamName, number>>,
  hasFailed: boolean,
  before: StreamName | null,
): StreamName => {
  if (before && sizes[before] > 0) return before;
  return sizes.stderr > 0 && (sizes.stdout === 0 || hasFailed) ? "stderr" : "stdout";
};

export const hasFailed = (one: Pick<Execution, "state" | "outcome" | "exit_code">): boolean =>
  one.state === "finished" && !(one.outcome === "exited" && one.exit_code === 0);

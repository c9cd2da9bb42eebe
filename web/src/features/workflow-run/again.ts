import type { NodeState, WorkflowRun } from "@/api/workflow-types";
import { behind, inOrder } from "./graph";

/** What a further run of a run would do: which nodes run again, and of which the result is kept. Pure. */

const BROKEN: readonly NodeState[] = ["failed", "timed_out", "lost", "cancelled"];
const KEPT: readonly NodeState[] = ["success", "warning"];

export const isBroken = (state: NodeState): boolean => BROKEN.includes(state);

export interface Plan {
  /** They, and all that they lead to. */
  again: string[];
  kept: string[];
}

/** The nodes that it is usual to go on from: what failed, timed out, was lost or stopped. */
export const usualFrom = (run: Pick<WorkflowRun, "definition" | "nodes">): string[] => {
  const broken = new Set(run.nodes.filter((one) => isBroken(one.state)).map((one) => one.node_id));
  return inOrder(run.definition).filter((id) => broken.has(id));
};

export const planOf = (run: Pick<WorkflowRun, "definition" | "nodes">, from: readonly string[]): Plan => {
  const again = behind(from, run.definition.edges);
  const kept = new Set(run.nodes.filter((one) => KEPT.includes(one.state) && !again.has(one.node_id)).map((one) => one.node_id));
  const order = inOrder(run.definition);
  return { again: order.filter((id) => again.has(id)), kept: order.filter((id) => kept.has(id)) };
};

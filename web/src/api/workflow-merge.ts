import type { LiveEvent } from "@/lib/live";
import type { NodeState, RunNode, WorkflowChanged, WorkflowRun, WorkflowState } from "./workflow-types";

/** What an event of a run changes in what is known of it, before the run is read anew. Pure. */

const OVER: readonly NodeState[] = ["success", "warning", "failed", "timed_out", "skipped", "cancelled", "lost"];
const OPEN: readonly WorkflowState[] = ["queued", "running", "cancelling"];

export const isNodeOver = (state: NodeState): boolean => OVER.includes(state);
export const isRunOpen = (state: WorkflowState): boolean => OPEN.includes(state);

/** null: it is no event of a run of a workflow. */
export const changeOf = (event: LiveEvent): WorkflowChanged | null =>
  typeof event["run_id"] === "number" && typeof event["state"] === "string"
    ? { ...(event as unknown as WorkflowChanged), nodes: Array.isArray(event["nodes"]) ? (event["nodes"] as []) : [] }
    : null;

/**
 * The run as the event says it is. What has ended stays ended: a reply may have been ahead of the stream. Nodes that did not change are
 * the same objects as before, and so is a run in which nothing did.
 */
export const withChange = (run: WorkflowRun, change: WorkflowChanged): WorkflowRun => {
  if (run.id !== change.run_id) return run;
  const states = new Map(change.nodes.map((one) => [one.node_id, one.state]));
  const nodes = run.nodes.map((node) => moved(node, states.get(node.node_id)));
  const isSame = nodes.every((node, place) => node === run.nodes[place]);
  const state = isRunOpen(run.state) ? change.state : run.state;
  return isSame && state === run.state ? run : { ...run, state, nodes: isSame ? run.nodes : nodes };
};

const moved = (node: RunNode, state: NodeState | undefined): RunNode =>
  state === undefined || state === node.state || isNodeOver(node.state) ? node : { ...node, state };

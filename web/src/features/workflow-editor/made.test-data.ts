import { emptyWorkflow, newNode, type NodeType, type WorkflowDocument, type WorkflowEdge } from "./document";

/** `made(["start", "trigger_manual"], …)`: a document of these nodes. For tests. */
export const made = (
  nodes: readonly (readonly [string, NodeType])[],
  ends: readonly (readonly [string, string])[] = [],
): WorkflowDocument => ({
  ...emptyWorkflow(),
  nodes: nodes.map(([id, type]) => newNode(type, id, { x: 0, y: 0 }, [])),
  edges: ends.map(([from, to]): WorkflowEdge => ({ from, to, route_on: from.endsWith(".out") ? "success" : null })),
});

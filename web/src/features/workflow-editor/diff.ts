import { edgeId, type WorkflowDocument, type WorkflowEdge, type WorkflowNode } from "./document";

/** What differs between two states of a workflow. */

export type Fate = "added" | "removed" | "changed" | "same";

export interface NodeDiff {
  node: WorkflowNode;
  fate: Fate;
  /** Which of its fields differ. */
  fields: string[];
}

export interface EdgeDiff {
  edge: WorkflowEdge;
  fate: Fate;
  /** `on success → on failure` of one that is changed. */
  before: WorkflowEdge | null;
}

export interface WorkflowDiff {
  nodes: NodeDiff[];
  edges: EdgeDiff[];
  /** Of the workflow itself: `max_parallel`. */
  fields: ("max_parallel" | "time_limit_seconds" | "concurrency")[];
}

const isSame = (one: unknown, other: unknown): boolean => stable(one) === stable(other);

/** The same text for the same value, in whatever order its members are. */
const stable = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1)))
      : inner,
  );

const SAID = ["name", "type", "time_limit_seconds", "retries", "retry_delay_seconds", "on_error"] as const;

/** Where a node is drawn is no difference of what it does. */
const changedFields = (before: WorkflowNode, after: WorkflowNode): string[] => {
  const names = [...new Set([...Object.keys(before.settings), ...Object.keys(after.settings)])];
  return [
    ...SAID.filter((name) => before[name] !== after[name]),
    ...names.filter((name) => !isSame(before.settings[name], after.settings[name])),
  ];
};

export const diffOf = (before: WorkflowDocument, after: WorkflowDocument): WorkflowDiff => {
  const old = new Map(before.nodes.map((one) => [one.id, one]));
  const now = new Set(after.nodes.map((one) => one.id));
  const oldEdges = new Map(before.edges.map((one) => [edgeId(one), one]));
  const nowEdges = new Set(after.edges.map(edgeId));
  return {
    nodes: [
      ...after.nodes.map((node): NodeDiff => {
        const was = old.get(node.id);
        const fields = was ? changedFields(was, node) : [];
        return { node, fields, fate: !was ? "added" : fields.length > 0 ? "changed" : "same" };
      }),
      ...before.nodes.filter((one) => !now.has(one.id)).map((node): NodeDiff => ({ node, fields: [], fate: "removed" })),
    ],
    edges: [
      ...after.edges.map((edge): EdgeDiff => {
        const was = oldEdges.get(edgeId(edge));
        if (!was) return { edge, before: null, fate: "added" };
        return was.route_on === edge.route_on ? { edge, before: null, fate: "same" } : { edge, before: was, fate: "changed" };
      }),
      ...before.edges
        .filter((one) => !nowEdges.has(edgeId(one)))
        .map((edge): EdgeDiff => ({ edge, before: null, fate: "removed" })),
    ],
    fields: (["max_parallel", "time_limit_seconds", "concurrency"] as const).filter((name) => before[name] !== after[name]),
  };
};

export const isNothing = (diff: WorkflowDiff): boolean =>
  [...diff.nodes, ...diff.edges].every((one) => one.fate === "same") && diff.fields.length === 0;

import type { DocumentEdge, NodeState, RunEdge, WorkflowDocument, WorkflowRun } from "@/api/workflow-types";

/** Where nodes of a run are drawn, which of them lead to which, and how their edges look. Pure; the drawing is `RunGraph`. */

export const NODE_WIDTH = 208;
export const NODE_HEIGHT = 84;
/** How far down its side control and data come in and leave. */
export const HANDLE_AT = { control: 0.36, data: 0.72 } as const;
const GAP_X = 72;
const GAP_Y = 34;

export const nodeOf = (end: string): string => end.slice(0, end.lastIndexOf("."));
export const portOf = (end: string): string => end.slice(end.lastIndexOf(".") + 1);
export const edgeId = (edge: Pick<DocumentEdge, "from" | "to">): string => `${edge.from} ${edge.to}`;

export interface Place {
  x: number;
  y: number;
}

/** Where each node is: as somebody has laid them out; in layers where nobody did, or where they would cover each other. */
export const placesOf = (document: WorkflowDocument): ReadonlyMap<string, Place> => {
  const { nodes } = document;
  const covers = nodes.some((one, at) =>
    nodes.slice(at + 1).some((other) => Math.abs(one.x - other.x) < NODE_WIDTH && Math.abs(one.y - other.y) < NODE_HEIGHT),
  );
  return covers ? layered(document) : new Map(nodes.map((one) => [one.id, { x: one.x, y: one.y }]));
};

/** One column for each step away from where it begins; within it as near as may be to what leads there. */
const layered = ({ nodes, edges }: WorkflowDocument): ReadonlyMap<string, Place> => {
  const layers: string[][] = [];
  const depths = depthsOf({ nodes, edges });
  for (const one of nodes) (layers[depths.get(one.id) ?? 0] ??= []).push(one.id);
  const rows = new Map<string, number>();
  const most = Math.max(1, ...layers.map((one) => one.length));
  for (const layer of layers) {
    const wish = (id: string): number => {
      const before = edges.filter((one) => nodeOf(one.to) === id).flatMap((one) => rows.get(nodeOf(one.from)) ?? []);
      return before.length ? before.reduce((sum, row) => sum + row, 0) / before.length : Infinity;
    };
    const wishes = new Map(layer.map((id) => [id, wish(id)]));
    layer.sort((one, other) => compare(wishes.get(one), wishes.get(other)));
    layer.forEach((id, row) => rows.set(id, row + (most - layer.length) / 2));
  }
  const step = { x: NODE_WIDTH + GAP_X, y: NODE_HEIGHT + GAP_Y };
  return new Map(nodes.map((one) => [one.id, { x: (depths.get(one.id) ?? 0) * step.x, y: (rows.get(one.id) ?? 0) * step.y }]));
};

const compare = (one = 0, other = 0): number => (one === other ? 0 : one < other ? -1 : 1);

/** How many edges the longest way to each node has. */
const depthsOf = ({ nodes, edges }: WorkflowDocument): ReadonlyMap<string, number> => {
  const depths = new Map<string, number>();
  for (const id of inOrder({ nodes, edges })) {
    const before = edges.filter((one) => nodeOf(one.to) === id).map((one) => depths.get(nodeOf(one.from)) ?? 0);
    depths.set(id, before.length ? Math.max(...before) + 1 : 0);
  }
  return depths;
};

/** The ids of the nodes, each behind those that lead to it; else as the document has them. It does not change while a run goes on. */
export const inOrder = ({ nodes, edges }: WorkflowDocument): string[] => {
  const waits = new Map(nodes.map((one) => [one.id, new Set<string>()]));
  for (const edge of edges) waits.get(nodeOf(edge.to))?.add(nodeOf(edge.from));
  const told: string[] = [];
  const done = new Set<string>();
  let left = nodes.map((one) => one.id);
  while (left.length > 0) {
    const ready = left.filter((id) => [...(waits.get(id) ?? [])].every((before) => done.has(before) || !waits.has(before)));
    const next = ready.length > 0 ? ready : left; // of a circle, which no saved workflow has
    next.forEach((id) => done.add(id));
    told.push(...next);
    left = left.filter((id) => !done.has(id));
  }
  return told;
};

/** What `from` leads to, over all edges, and itself. */
export const behind = (from: readonly string[], edges: readonly DocumentEdge[]): ReadonlySet<string> => {
  const found = new Set(from);
  const rest = [...from];
  for (let id = rest.pop(); id !== undefined; id = rest.pop()) {
    for (const edge of edges) {
      const target = nodeOf(edge.to);
      if (nodeOf(edge.from) !== id || found.has(target)) continue;
      found.add(target);
      rest.push(target);
    }
  }
  return found;
};

export type EdgeLook = "taken" | "left" | "open" | "data" | "dataReady";

const CONTROL_IN = "in";
const GAVE: readonly NodeState[] = ["success", "warning", "failed", "timed_out", "lost"];

/** taken: control went this way; left: it did not, and will not; data: devices and results, ready once their source has ended. */
export const edgeLooks = (run: Pick<WorkflowRun, "definition" | "edges" | "nodes">): ReadonlyMap<string, EdgeLook> => {
  const taken = new Map(run.edges.map((one: RunEdge) => [edgeId(one), one.taken]));
  const states = new Map(run.nodes.map((one) => [one.node_id, one.state]));
  return new Map(
    run.definition.edges.map((edge) => {
      const id = edgeId(edge);
      if (portOf(edge.to) !== CONTROL_IN) {
        const state = states.get(nodeOf(edge.from));
        return [id, state !== undefined && GAVE.includes(state) ? "dataReady" : "data"];
      }
      const was = taken.get(id) ?? null;
      return [id, was === null ? "open" : was ? "taken" : "left"];
    }),
  );
};

const ROUTES: Readonly<Record<string, string>> = {
  success: "on success",
  warning: "on warning",
  failed: "on failure",
  always: "always",
};

/** What stands at an edge; nothing where it is the usual: on to the next after success, devices, inputs. */
export const edgeLabel = (edge: DocumentEdge): string | null => {
  const port = portOf(edge.from);
  if (portOf(edge.to) === CONTROL_IN) {
    if (port !== "out") return port === "true" ? "if true" : port === "false" ? "if false" : port;
    return edge.route_on === null || edge.route_on === "success" ? null : (ROUTES[edge.route_on] ?? edge.route_on);
  }
  return ["devices", "result", "value"].includes(port) ? null : port;
};

import {
  edgeId,
  hasRoute,
  nodeOf,
  type Port,
  portAt,
  portOf,
  type PortKind,
  SHAPES,
  type WorkflowEdge,
  type WorkflowGraph,
  type WorkflowNode,
} from "./document";

/** What may be connected with what, and why not. */

export const KIND_WORDS: Readonly<Record<PortKind, string>> = {
  control: "control",
  devices: "devices",
  result: "a result",
  value: "a value",
};

const kindsInWords = (kinds: readonly PortKind[]): string => kinds.map((one) => KIND_WORDS[one]).join(" or ");

const nameOf = (graph: WorkflowGraph, end: string): string => {
  const id = nodeOf(end);
  return graph.nodes.find((one) => one.id === id)?.name ?? id;
};

/** The nodes that a node leads to, over any number of edges, and itself. */
export const behind = (graph: WorkflowGraph, id: string): ReadonlySet<string> => {
  const found = new Set([id]);
  const rest = [id];
  for (let next = rest.pop(); next !== undefined; next = rest.pop())
    for (const edge of graph.edges) {
      const target = nodeOf(edge.to);
      if (nodeOf(edge.from) !== next || found.has(target)) continue;
      found.add(target);
      rest.push(target);
    }
  return found;
};

/** Why an output cannot be connected with an input; null where it can. `from` and `to` are written `node.port`. */
export const whyNot = (graph: WorkflowGraph, from: string, to: string): string | null => {
  const output = portAt(graph, from, "output");
  const input = portAt(graph, to, "input");
  if (!output || !input) return "An edge leads from an output, at the right of a node, to an input, at the left of another.";
  if (nodeOf(from) === nodeOf(to)) return "A node cannot be connected with itself.";
  return unlike(output, input) ?? occupied(graph, from, to, input) ?? circle(graph, from, to);
};

const unlike = (output: Port, input: Port): string | null =>
  output.kinds.some((one) => input.kinds.includes(one))
    ? null
    : `“${output.name}” gives ${kindsInWords(output.kinds)}; “${input.name}” takes ${kindsInWords(input.kinds)}.`;

const occupied = (graph: WorkflowGraph, from: string, to: string, input: Port): string | null => {
  const there = graph.edges.filter((one) => one.to === to);
  if (there.some((one) => one.from === from)) return "These two are connected already.";
  const first = there[0];
  if (input.isMany || !first) return null;
  return `“${input.name}” takes one edge only, and has one from “${nameOf(graph, first.from)}”. Remove that one first.`;
};

const circle = (graph: WorkflowGraph, from: string, to: string): string | null =>
  behind(graph, nodeOf(to)).has(nodeOf(from))
    ? `That would be a circle: “${nameOf(graph, to)}” leads to “${nameOf(graph, from)}” already.`
    : null;

export const newEdge = (from: string, to: string): WorkflowEdge => ({ from, to, route_on: hasRoute(from) ? "success" : null });

export interface End {
  node: WorkflowNode;
  port: string;
  end: string;
  /** Why it cannot be taken; null where it can. */
  reason: string | null;
}

/** Every input of other nodes that takes what an output gives, with the reason where it cannot be connected now. */
export const inputsFor = (graph: WorkflowGraph, from: string): End[] => {
  const output = portAt(graph, from, "output");
  if (!output) return [];
  return graph.nodes
    .filter((one) => one.id !== nodeOf(from))
    .flatMap((node) =>
      SHAPES[node.type].inputs
        .filter((input) => unlike(output, input) === null)
        .map((input) => {
          const end = `${node.id}.${input.name}`;
          return { node, port: input.name, end, reason: whyNot(graph, from, end) };
        }),
    );
};

/** The ends of a connection as React Flow tells them, in the order of an edge; null where one is lacking. */
export const endsOf = (told: {
  source: string | null;
  sourceHandle?: string | null;
  target: string | null;
  targetHandle?: string | null;
}): { from: string; to: string } | null =>
  told.source && told.sourceHandle && told.target && told.targetHandle
    ? { from: `${told.source}.${told.sourceHandle}`, to: `${told.target}.${told.targetHandle}` }
    : null;

/** Edges of which an end is not there are no edges: those that a removed node leaves. */
export const soundEdges = (graph: WorkflowGraph): WorkflowEdge[] => {
  const seen = new Set<string>();
  return graph.edges.filter((one) => {
    const id = edgeId(one);
    if (seen.has(id) || !portAt(graph, one.from, "output") || !portAt(graph, one.to, "input")) return false;
    seen.add(id);
    return true;
  });
};

export const edgeInWords = (graph: WorkflowGraph, edge: WorkflowEdge): string =>
  `${nameOf(graph, edge.from)}: ${portOf(edge.from)} → ${nameOf(graph, edge.to)}: ${portOf(edge.to)}`;

import { newEdge, soundEdges, whyNot } from "./connect";
import {
  edgeId,
  endOf,
  nodeOf,
  portOf,
  type RouteOn,
  type WorkflowDocument,
  type WorkflowEdge,
  type WorkflowNode,
} from "./document";

/** Changes of a document, each a new document. */

type Doc = WorkflowDocument;

export interface Place {
  x: number;
  y: number;
}

export const withNode = (doc: Doc, node: WorkflowNode): Doc => ({ ...doc, nodes: [...doc.nodes, node] });

export const changed = (doc: Doc, id: string, patch: Partial<Omit<WorkflowNode, "id">>): Doc => ({
  ...doc,
  nodes: doc.nodes.map((one) => (one.id === id ? { ...one, ...patch } : one)),
});

/** Nodes at other places; the same document where none has moved. */
export const moved = (doc: Doc, places: ReadonlyMap<string, Place>): Doc => {
  const nodes = doc.nodes.map((one) => {
    const place = places.get(one.id);
    if (!place) return one;
    const [x, y] = [Math.round(place.x), Math.round(place.y)];
    return x === one.x && y === one.y ? one : { ...one, x, y };
  });
  return nodes.every((one, at) => one === doc.nodes[at]) ? doc : { ...doc, nodes };
};

/** Without these nodes, their edges, and these edges. */
export const without = (doc: Doc, nodes: ReadonlySet<string>, edges: ReadonlySet<string> = new Set()): Doc => ({
  ...doc,
  nodes: doc.nodes.filter((one) => !nodes.has(one.id)),
  edges: doc.edges.filter((one) => !edges.has(edgeId(one)) && !nodes.has(nodeOf(one.from)) && !nodes.has(nodeOf(one.to))),
});

/** With an edge, if it may be. */
export const connected = (doc: Doc, from: string, to: string): Doc =>
  whyNot(doc, from, to) === null ? { ...doc, edges: [...doc.edges, newEdge(from, to)] } : doc;

export const routed = (doc: Doc, id: string, route: RouteOn): Doc => ({
  ...doc,
  edges: doc.edges.map((one) => (edgeId(one) === id ? { ...one, route_on: route } : one)),
});

const renamedEnd = (end: string, names: ReadonlyMap<string, string>): string =>
  endOf(names.get(nodeOf(end)) ?? nodeOf(end), portOf(end));

const renamedEdge = (edge: WorkflowEdge, names: ReadonlyMap<string, string>): WorkflowEdge => ({
  ...edge,
  from: renamedEnd(edge.from, names),
  to: renamedEnd(edge.to, names),
});

/** `inputs.OLD` becomes `inputs.NEW` wherever a text of the settings speaks of it. */
const renamedText = <T>(value: T, names: ReadonlyMap<string, string>): T => {
  const text = (one: string): string =>
    one.replace(/\binputs\.([a-z][a-z0-9_]*)/g, (all, id: string) => (names.has(id) ? `inputs.${names.get(id) ?? id}` : all));
  const walk = (one: unknown): unknown => {
    if (typeof one === "string") return text(one);
    if (Array.isArray(one)) return one.map(walk);
    if (typeof one === "object" && one !== null)
      return Object.fromEntries(Object.entries(one).map(([name, inner]) => [name, walk(inner)]));
    return one;
  };
  return walk(value) as T;
};

/** A node under another id, in its edges and in the expressions that speak of it too. */
export const renamed = (doc: Doc, old: string, now: string): Doc => {
  const names = new Map([[old, now]]);
  return {
    ...doc,
    nodes: doc.nodes.map((one) => ({
      ...one,
      id: names.get(one.id) ?? one.id,
      settings: renamedText(one.settings, names),
    })),
    edges: doc.edges.map((one) => renamedEdge(one, names)),
  };
};

export interface Fragment {
  nodes: readonly WorkflowNode[];
  edges: readonly WorkflowEdge[];
}

/** These nodes, and the edges between them. */
export const fragmentOf = (doc: Doc, ids: ReadonlySet<string>): Fragment => ({
  nodes: doc.nodes.filter((one) => ids.has(one.id)),
  edges: doc.edges.filter((one) => ids.has(nodeOf(one.from)) && ids.has(nodeOf(one.to))),
});

const PASTED_BESIDE = 48;

/** With a copy of a fragment, under new ids where the old ones are taken. `at`: where its upper left corner goes. */
export const pasted = (
  doc: Doc,
  fragment: Fragment,
  freshId: (name: string, taken: Iterable<string>) => string,
  at?: Place,
): { doc: Doc; ids: string[] } => {
  const taken = new Set(doc.nodes.map((one) => one.id));
  const names = new Map<string, string>();
  for (const node of fragment.nodes) {
    const id = freshId(node.id, taken);
    taken.add(id);
    names.set(node.id, id);
  }
  const [left, top] = [Math.min(...fragment.nodes.map((one) => one.x)), Math.min(...fragment.nodes.map((one) => one.y))];
  const shift = at ? { x: at.x - left, y: at.y - top } : { x: PASTED_BESIDE, y: PASTED_BESIDE };
  const nodes = fragment.nodes.map((one) => ({
    ...one,
    id: names.get(one.id) ?? one.id,
    settings: renamedText(one.settings, names),
    x: Math.round(one.x + shift.x),
    y: Math.round(one.y + shift.y),
  }));
  const edges = fragment.edges.map((one) => renamedEdge(one, names));
  const sound = soundEdges({ nodes, edges });
  return { doc: { ...doc, nodes: [...doc.nodes, ...nodes], edges: [...doc.edges, ...sound] }, ids: nodes.map((one) => one.id) };
};

import { nodeOf, SHAPES, type WorkflowGraph, type WorkflowNode } from "./document";
import type { Place } from "./edit";

/** Nodes in columns, each behind all that leads to it, with few edges that cross. */

export const NODE_WIDTH = 224;
const HEAD_HEIGHT = 64;
const PORT_HEIGHT = 22;
const GAP_X = 96;
const GAP_Y = 32;
const SWEEPS = 4;

export const heightOf = (node: Pick<WorkflowNode, "type">): number => {
  const { inputs, outputs } = SHAPES[node.type];
  return HEAD_HEIGHT + Math.max(inputs.length, outputs.length) * PORT_HEIGHT;
};

type Neighbours = ReadonlyMap<string, readonly string[]>;

const neighbours = (graph: WorkflowGraph, of: "from" | "to"): Neighbours => {
  const found = new Map<string, string[]>(graph.nodes.map((one) => [one.id, []]));
  const other = of === "from" ? "to" : "from";
  for (const edge of graph.edges) found.get(nodeOf(edge[of]))?.push(nodeOf(edge[other]));
  return found;
};

/** How many edges the longest way to each node has. A node of a circle counts once. */
const columnsOf = (graph: WorkflowGraph, before: Neighbours): ReadonlyMap<string, number> => {
  const columns = new Map<string, number>();
  const open = new Set<string>();
  const columnOf = (id: string): number => {
    const known = columns.get(id);
    if (known !== undefined) return known;
    if (open.has(id)) return -1;
    open.add(id);
    const column = Math.max(-1, ...(before.get(id) ?? []).map(columnOf)) + 1;
    open.delete(id);
    columns.set(id, column);
    return column;
  };
  for (const one of graph.nodes) columnOf(one.id);
  return columns;
};

/** What only gives something stands right before the first that takes it, not far away at the left. */
const pulled = (graph: WorkflowGraph, columns: ReadonlyMap<string, number>, before: Neighbours, after: Neighbours) =>
  new Map(
    graph.nodes.map(({ id }): [string, number] => {
      const own = columns.get(id) ?? 0;
      const next = (after.get(id) ?? []).map((one) => columns.get(one) ?? 0);
      return [id, (before.get(id) ?? []).length === 0 && next.length > 0 ? Math.max(own, Math.min(...next) - 1) : own];
    }),
  );

const sorted = (layer: readonly string[], beside: Neighbours, rows: ReadonlyMap<string, number>): string[] => {
  const wish = (id: string, row: number): number => {
    const others = (beside.get(id) ?? []).flatMap((one) => rows.get(one) ?? []);
    return others.length ? others.reduce((sum, one) => sum + one, 0) / others.length : row;
  };
  return layer
    .map((id, row) => ({ id, wish: wish(id, row) }))
    .sort((one, other) => one.wish - other.wish)
    .map((one) => one.id);
};

const untangled = (layers: readonly (readonly string[])[], before: Neighbours, after: Neighbours): string[][] => {
  const now = layers.map((one) => [...one]);
  const rows = new Map(now.flatMap((layer) => layer.map((id, row): [string, number] => [id, row])));
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const isForth = sweep % 2 === 0;
    const order = isForth ? [...now.keys()] : [...now.keys()].reverse();
    for (const at of order) {
      now[at] = sorted(now[at] ?? [], isForth ? before : after, rows);
      now[at].forEach((id, row) => rows.set(id, row));
    }
  }
  return now;
};

/** Where each node goes. */
export const layout = (graph: WorkflowGraph): ReadonlyMap<string, Place> => {
  const [before, after] = [neighbours(graph, "to"), neighbours(graph, "from")];
  const columns = pulled(graph, columnsOf(graph, before), before, after);
  const layers: string[][] = Array.from({ length: Math.max(0, ...columns.values()) + 1 }, () => []);
  for (const one of graph.nodes) layers[columns.get(one.id) ?? 0]?.push(one.id);
  const heights = new Map(graph.nodes.map((one) => [one.id, heightOf(one)]));
  const places = new Map<string, Place>();
  untangled(layers, before, after).forEach((layer, column) => {
    const total = layer.reduce((sum, id) => sum + (heights.get(id) ?? 0) + GAP_Y, -GAP_Y);
    let y = -total / 2;
    for (const id of layer) {
      places.set(id, { x: column * (NODE_WIDTH + GAP_X), y: Math.round(y) });
      y += (heights.get(id) ?? 0) + GAP_Y;
    }
  });
  return places;
};

/** A place near the wished one that no node covers. */
export const freePlace = (nodes: readonly WorkflowNode[], wish: Place): Place => {
  const covers = (place: Place): boolean =>
    nodes.some((one) => Math.abs(one.x - place.x) < NODE_WIDTH + 16 && Math.abs(one.y - place.y) < heightOf(one) + 16);
  const place = { x: Math.round(wish.x), y: Math.round(wish.y) };
  for (let tries = 0; covers(place) && tries < nodes.length + 1; tries += 1) place.y += 128;
  return place;
};

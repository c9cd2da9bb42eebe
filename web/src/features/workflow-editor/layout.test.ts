import { expect, it } from "vitest";
import type { NodeType } from "./document";
import { freePlace, heightOf, layout, NODE_WIDTH } from "./layout";
import { made } from "./made.test-data";

const flow = made(
  [
    ["start", "trigger_manual"],
    ["web", "devices_filter"],
    ["check", "script"],
    ["is_bad", "condition"],
    ["mend", "script"],
    ["told", "notify"],
  ],
  [
    ["start.out", "check.in"],
    ["check.out", "is_bad.in"],
    ["is_bad.true", "mend.in"],
    ["is_bad.false", "told.in"],
    ["web.devices", "mend.devices"],
  ],
);

it("puts each node behind all that leads to it", () => {
  const places = layout(flow);
  for (const edge of flow.edges) {
    const [from, to] = [edge.from, edge.to].map((end) => places.get(end.split(".")[0] ?? ""));
    expect(from?.x).toBeLessThan(to?.x ?? 0);
  }
});

it("puts what only gives something right before what takes it", () => {
  const places = layout(flow);
  expect(places.get("web")?.x).toBe(places.get("is_bad")?.x);
});

it("lets no node cover another, of hundreds too", () => {
  const count = 300;
  const nodes = Array.from({ length: count }, (_, at): [string, NodeType] => [`n${at}`, at % 3 ? "script" : "join"]);
  const ends = nodes.slice(1).map(([id], at): [string, string] => [`n${Math.floor(at / 3)}.out`, `${id}.in`]);
  const doc = made(nodes, ends);
  const places = layout(doc);
  const all = doc.nodes.map((node) => ({ node, place: places.get(node.id) ?? { x: 0, y: 0 } }));
  for (const [at, one] of all.entries())
    for (const other of all.slice(at + 1)) {
      const isApart =
        Math.abs(one.place.x - other.place.x) >= NODE_WIDTH ||
        (one.place.y <= other.place.y
          ? one.place.y + heightOf(one.node) <= other.place.y
          : other.place.y + heightOf(other.node) <= one.place.y);
      expect(isApart).toBe(true);
    }
});

it("is there for no node, and ends where there is a circle", () => {
  expect(layout(made([])).size).toBe(0);
  const circle = made(
    [
      ["a", "join"],
      ["b", "join"],
    ],
    [
      ["a.out", "b.in"],
      ["b.out", "a.in"],
    ],
  );
  expect(layout(circle).size).toBe(2);
});

it("finds a place that nothing covers", () => {
  const doc = made([
    ["a", "script"],
    ["b", "script"],
  ]);
  expect(freePlace(doc.nodes, { x: 1_000, y: 5 })).toEqual({ x: 1_000, y: 5 });
  expect(freePlace(doc.nodes, { x: 10, y: 5 }).y).toBeGreaterThan(heightOf({ type: "script" }));
});

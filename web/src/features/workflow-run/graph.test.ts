import { expect, it } from "vitest";
import { edge, node, run, step } from "@/api/workflow-made";
import { behind, edgeLabel, edgeLooks, inOrder, NODE_HEIGHT, NODE_WIDTH, placesOf } from "./graph";

const edges = [
  edge("start.out", "a.in", "success"),
  edge("start.out", "b.in", "success"),
  edge("a.out", "end.in"),
  edge("b.out", "end.in"),
];
const nodes = [step("end", "notify"), step("a"), step("b"), step("start", "trigger_manual")];

it("tells nodes behind those that lead to them", () => {
  expect(inOrder({ nodes, edges })).toEqual(["start", "a", "b", "end"]);
});

it("lays out in layers what nobody laid out, and nothing covers anything", () => {
  const places = [...placesOf({ nodes, edges }).entries()];
  expect(new Map(places).get("end")?.x).toBeGreaterThan(new Map(places).get("a")?.x ?? NaN);
  for (const [id, one] of places)
    for (const [other, there] of places)
      if (id < other) expect(Math.abs(one.x - there.x) >= NODE_WIDTH || Math.abs(one.y - there.y) >= NODE_HEIGHT).toBe(true);
});

it("leaves nodes where somebody put them", () => {
  const laid = nodes.map((one, at) => ({ ...one, x: at * 300, y: 40 }));
  expect(placesOf({ nodes: laid, edges }).get("b")).toEqual({ x: 600, y: 40 });
});

it("comes to an end with a circle", () => {
  expect(inOrder({ nodes: [step("a"), step("b")], edges: [edge("a.out", "b.in"), edge("b.out", "a.in")] })).toEqual(["a", "b"]);
});

it("finds what a node leads to", () => {
  expect([...behind(["a"], edges)].sort()).toEqual(["a", "end"]);
});

it("lights what was taken, fades what was not, and keeps data apart", () => {
  const wired = [...edges, edge("web.devices", "a.devices"), edge("a.result", "b.inputs")];
  const looks = edgeLooks(
    run({
      definition: { nodes, edges: wired },
      nodes: [node("web", { state: "success" }), node("a", { state: "running" })],
      edges: [
        { from: "start.out", to: "a.in", taken: true },
        { from: "start.out", to: "b.in", taken: false },
      ],
    }),
  );
  expect(Object.fromEntries(looks)).toEqual({
    "start.out a.in": "taken",
    "start.out b.in": "left",
    "a.out end.in": "open",
    "b.out end.in": "open",
    "web.devices a.devices": "dataReady",
    "a.result b.inputs": "data",
  });
});

it("says only what is not the usual at an edge", () => {
  expect(edgeLabel(edge("a.out", "b.in", "success"))).toBeNull();
  expect(edgeLabel(edge("a.out", "b.in", "failed"))).toBe("on failure");
  expect(edgeLabel(edge("a.true", "b.in"))).toBe("if true");
  expect(edgeLabel(edge("s.offline", "b.devices"))).toBe("offline");
  expect(edgeLabel(edge("s.devices", "b.devices"))).toBeNull();
});

import { describe, expect, it } from "vitest";
import { behind, endsOf, inputsFor, newEdge, soundEdges, whyNot } from "./connect";
import { NODE_TYPES, SHAPES } from "./document";
import { made } from "./made.test-data";

const graph = made(
  [
    ["start", "trigger_manual"],
    ["web", "devices_filter"],
    ["other", "devices_site"],
    ["check", "script"],
    ["is_bad", "condition"],
    ["told", "notify"],
    ["split", "split"],
  ],
  [
    ["start.out", "check.in"],
    ["web.devices", "check.devices"],
    ["check.out", "is_bad.in"],
  ],
);

describe("what may be connected", () => {
  it("takes what fits", () => {
    expect(whyNot(graph, "is_bad.true", "told.in")).toBeNull();
    expect(whyNot(graph, "check.result", "is_bad.inputs")).toBeNull();
    expect(whyNot(graph, "check.result", "split.result")).toBeNull();
  });
  it("says which kinds do not fit", () => {
    expect(whyNot(graph, "web.devices", "is_bad.in")).toBe("“devices” gives devices; “in” takes control.");
    expect(whyNot(graph, "start.out", "is_bad.inputs")).toBe("“out” gives control; “inputs” takes a result or a value.");
  });
  it("says that a port is taken, and by which node", () => {
    expect(whyNot(graph, "other.devices", "check.devices")).toBe(
      "“devices” takes one edge only, and has one from “web”. Remove that one first.",
    );
  });
  it("lets any number of edges into a control port, but no edge twice", () => {
    expect(whyNot(graph, "is_bad.false", "told.in")).toBeNull();
    expect(whyNot(graph, "start.out", "check.in")).toBe("These two are connected already.");
  });
  it("refuses circles, over any number of edges", () => {
    expect(whyNot(graph, "is_bad.true", "check.in")).toBe("That would be a circle: “check” leads to “is_bad” already.");
    expect(whyNot(graph, "check.out", "check.in")).toBe("A node cannot be connected with itself.");
  });
  it("refuses ends that are none", () => {
    expect(whyNot(graph, "check.in", "told.in")).toContain("from an output");
    expect(whyNot(graph, "nobody.out", "told.in")).toContain("from an output");
  });
});

it("lists the inputs that take an output, with the reason of those that cannot now", () => {
  const found = inputsFor(graph, "other.devices");
  expect(found.map((one) => one.end)).toEqual(["check.devices"]);
  expect(found[0]?.reason).toContain("takes one edge only");
});

it("finds all that a node leads to", () => {
  expect([...behind(graph, "start")].sort()).toEqual(["check", "is_bad", "start"]);
});

it("gives control a route and nothing else", () => {
  expect(newEdge("check.out", "told.in").route_on).toBe("success");
  expect(newEdge("is_bad.true", "told.in").route_on).toBeNull();
  expect(newEdge("web.devices", "check.devices").route_on).toBeNull();
});

it("drops edges without an end", () => {
  const [first] = graph.edges;
  if (!first) throw new Error("no edge");
  const broken = { ...graph, edges: [first, first, { from: "gone.out", to: "told.in", route_on: null }] };
  expect(soundEdges(broken)).toEqual([first]);
});

it("reads the ends of a connection", () => {
  expect(endsOf({ source: "a", sourceHandle: "out", target: "b", targetHandle: "in" })).toEqual({ from: "a.out", to: "b.in" });
  expect(endsOf({ source: "a", sourceHandle: null, target: "b", targetHandle: "in" })).toBeNull();
});

it("has ports of unlike names on each side of every kind of node", () => {
  for (const type of NODE_TYPES) {
    const { inputs, outputs } = SHAPES[type];
    for (const side of [inputs, outputs]) expect(new Set(side.map((one) => one.name)).size).toBe(side.length);
  }
});

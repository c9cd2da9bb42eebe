import { expect, it } from "vitest";
import { diffOf, isNothing } from "./diff";
import { changed, connected, moved, routed, without } from "./edit";
import { made } from "./made.test-data";
import { asYaml } from "./yaml";

const before = made(
  [
    ["start", "trigger_manual"],
    ["wait", "wait"],
    ["told", "notify"],
  ],
  [
    ["start.out", "wait.in"],
    ["wait.out", "told.in"],
  ],
);

it("finds nothing where nodes were only moved, or members are in another order", () => {
  const after = moved(before, new Map([["wait", { x: 300, y: 10 }]]));
  expect(isNothing(diffOf(before, after))).toBe(true);
  const other = changed(before, "wait", { settings: { seconds: 600, for: "duration" } });
  expect(isNothing(diffOf(before, other))).toBe(true);
});

it("tells what was added, removed and changed, and which fields", () => {
  let after = changed(before, "wait", { name: "A while", settings: { for: "duration", seconds: 5 } });
  after = routed(after, "start.out wait.in", "always");
  after = connected(without(after, new Set(["told"])), "start.out", "told.in");
  const diff = diffOf(before, { ...after, max_parallel: 3 });
  expect(diff.nodes.map((one) => [one.node.id, one.fate, one.fields])).toEqual([
    ["start", "same", []],
    ["wait", "changed", ["name", "seconds"]],
    ["told", "removed", []],
  ]);
  expect(diff.edges.map((one) => [one.edge.from, one.fate])).toEqual([
    ["start.out", "changed"],
    ["wait.out", "removed"],
  ]);
  expect(diff.edges[0]?.before?.route_on).toBe("success");
  expect(diff.fields).toEqual(["max_parallel"]);
  expect(diffOf({ ...before, nodes: [], edges: [] }, before).nodes.every((one) => one.fate === "added")).toBe(true);
});

it("writes YAML that reads as what it was made of", () => {
  expect(
    asYaml({ name: "Patch", on: true, empty: [], none: {}, list: [{ id: "a", deep: [1, [2]] }, "no"], text: "a: b\nc" }),
  ).toBe(
    [
      "name: Patch",
      '"on": true',
      "empty: []",
      "none: {}",
      "list:",
      "  - id: a",
      "    deep:",
      "      - 1",
      "      - - 2",
      '  - "no"',
      'text: "a: b\\nc"',
      "",
    ].join("\n"),
  );
});

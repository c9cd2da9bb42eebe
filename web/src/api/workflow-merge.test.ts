import { expect, it } from "vitest";
import { changeOf, withChange } from "./workflow-merge";
import { changed, node, run } from "./workflow-made";

it("moves the nodes that an event names, and leaves the others as they are", () => {
  const before = run({ nodes: [node("a", { state: "running" }), node("b")] });
  const after = withChange(before, changed({ nodes: [{ node_id: "a", state: "success" }] }));
  expect(after.nodes.map((one) => one.state)).toEqual(["success", "pending"]);
  expect(after.nodes[1]).toBe(before.nodes[1]);
});

it("is the same run where nothing changed", () => {
  const before = run({ nodes: [node("a", { state: "running" })] });
  expect(withChange(before, changed({ nodes: [{ node_id: "a", state: "running" }] }))).toBe(before);
  expect(withChange(before, changed({ run_id: 8, state: "failed" }))).toBe(before);
});

it("takes nothing back that has ended, as replies may be ahead of the stream", () => {
  const before = run({ state: "success", nodes: [node("a", { state: "success" })] });
  const late = changed({ state: "running", nodes: [{ node_id: "a", state: "running" }] });
  expect(withChange(before, late)).toBe(before);
});

it("ends a run with the word of the event", () => {
  expect(withChange(run({}), changed({ state: "failed" })).state).toBe("failed");
});

it("reads an event without nodes, and none that is of something else", () => {
  expect(changeOf({ run_id: 7, workflow_id: "w", state: "running" })?.nodes).toEqual([]);
  expect(changeOf({ job_id: 7 })).toBeNull();
});

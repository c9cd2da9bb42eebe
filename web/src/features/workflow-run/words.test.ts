import { expect, it } from "vitest";
import { node, run, step } from "@/api/workflow-made";
import { stateMark } from "@/lib/states";
import { NODE_KINDS, nodeKind, sentenceOf, sourceInWords, whyNode } from "./words";

const definition = {
  nodes: [step("ask", "approval", { name: "May it?" }), step("patch", "script", { name: "Patch" })],
  edges: [],
};

it("says first that somebody is waited for", () => {
  const nodes = [node("ask", { state: "awaiting_approval" }), node("patch", { state: "running" })];
  expect(sentenceOf(run({ definition, nodes }))).toBe("“May it?” waits for approval.");
});

it("says what failed, and of many how many more", () => {
  const many = ["a", "b", "c", "d"];
  const nodes = many.map((id) => node(id, { state: "timed_out" as const }));
  const failed = run({ state: "failed", definition: { nodes: many.map((id) => step(id)), edges: [] }, nodes });
  expect(sentenceOf(failed)).toBe("“a”, “b” and 2 more failed.");
  expect(sentenceOf({ ...failed, detail: "The time limit of the run passed." })).toBe("The time limit of the run passed.");
});

it("gives every state of a node a word and a mark of its own", () => {
  const states = [
    "pending",
    "running",
    "awaiting_approval",
    "success",
    "warning",
    "failed",
    "timed_out",
    "skipped",
    "cancelled",
    "lost",
  ];
  const marks = states.map(stateMark);
  expect(new Set(marks.map((one) => one.word)).size).toBe(states.length);
  expect(new Set(marks.map((one) => one.icon)).size).toBe(states.length);
});

it("has a word for every kind of node, and one for a kind that is not known", () => {
  expect(Object.values(NODE_KINDS).every((one) => one.word !== "")).toBe(true);
  expect(nodeKind("teleport_device").word).toBe("teleport device");
});

it("says why, by the Engine's sentence first", () => {
  expect(whyNode({ reason: "other_trigger", detail: null })).toBe("Another trigger leads to it.");
  expect(whyNode({ reason: "other_trigger", detail: "So it is." })).toBe("So it is.");
  expect(whyNode({ reason: "never_heard_of", detail: null })).toBe("Never heard of.");
  expect(whyNode({ reason: null, detail: null })).toBeNull();
});

it("says how a run came about", () => {
  expect(sourceInWords(run({ source: "webhook", started_by: null }))).toBe("by a webhook");
  expect(sourceInWords(run({ origin_run_id: 3 }))).toBe("run again, by admin");
});

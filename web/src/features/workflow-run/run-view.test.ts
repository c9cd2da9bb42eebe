import { expect, it } from "vitest";
import { node, run, step } from "@/api/workflow-made";
import { shownNode, tabsOf } from "./run-view";

const definition = { nodes: [step("patch"), step("ask", "approval")], edges: [] };

it("shows what asks a person before what failed, and what was chosen before both", () => {
  const nodes = [node("patch", { state: "failed" }), node("ask", { state: "awaiting_approval" })];
  expect(shownNode(run({ definition, nodes }), "")).toBe("ask");
  expect(shownNode(run({ definition, nodes }), "patch")).toBe("patch");
  expect(shownNode(run({ definition, nodes: nodes.slice(0, 1) }), "gone")).toBe("patch");
});

it("shows nothing where nothing is to be done", () => {
  expect(shownNode(run({ definition, nodes: [node("patch", { state: "success" })] }), "")).toBeNull();
});

it("has the parts that a kind of node has", () => {
  expect(tabsOf("script", { devices: 3 })).toEqual(["node", "devices", "data", "sets"]);
  expect(tabsOf("devices_filter", { devices: 3 })).toEqual(["node", "sets"]);
  expect(tabsOf("approval", {})).toEqual(["node", "data"]);
});

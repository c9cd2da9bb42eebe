import { expect, it } from "vitest";
import { edge, node, run, step } from "@/api/workflow-made";
import { planOf, usualFrom } from "./again";

const one = run({
  definition: {
    nodes: [step("start", "trigger_manual"), step("check"), step("patch"), step("other"), step("tell", "notify")],
    edges: [
      edge("start.out", "check.in"),
      edge("start.out", "other.in"),
      edge("check.out", "patch.in"),
      edge("patch.out", "tell.in"),
    ],
  },
  nodes: [
    node("start", { state: "success" }),
    node("check", { state: "success" }),
    node("patch", { state: "failed" }),
    node("other", { state: "warning" }),
    node("tell", { state: "skipped" }),
  ],
});

it("goes on from what failed", () => {
  expect(usualFrom(one)).toEqual(["patch"]);
});

it("runs again what it goes on from and all behind it, and keeps the rest that went well", () => {
  expect(planOf(one, ["patch"])).toEqual({ again: ["patch", "tell"], kept: ["start", "check", "other"] });
  expect(planOf(one, ["check"])).toEqual({ again: ["check", "patch", "tell"], kept: ["start", "other"] });
});

it("does nothing from nowhere", () => {
  expect(planOf(one, []).again).toEqual([]);
});

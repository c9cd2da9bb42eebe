import { expect, it } from "vitest";
import { edge, node, run, step } from "@/api/workflow-made";
import { ganttOf, ticksOf } from "./gantt";

const at = (second: number): string => new Date(Date.UTC(2026, 10, 29, 10, 0, second)).toISOString();
const now = (second: number): number => new Date(at(second)).getTime();

const one = run({
  started_at: at(0),
  definition: {
    nodes: [step("start", "trigger_manual"), step("check"), step("ask", "approval"), step("patch")],
    edges: [edge("start.out", "check.in"), edge("check.out", "ask.in"), edge("ask.out", "patch.in")],
  },
  nodes: [
    node("start", { state: "success", started_at: at(0), finished_at: at(0) }),
    node("check", { state: "success", started_at: at(10), finished_at: at(20) }),
    node("ask", { state: "awaiting_approval", started_at: at(20) }),
    node("patch"),
  ],
});

const line = (id: string, second: number, of = one) => ganttOf(of, now(second))?.lines.find((each) => each.id === id);

it("keeps waiting apart from working", () => {
  expect(line("check", 40)?.parts).toEqual([
    { kind: "waiting", left: 0, width: 0.25, seconds: 10 },
    { kind: "working", left: 0.25, width: 0.25, seconds: 10 },
  ]);
  expect(line("ask", 40)?.parts).toEqual([{ kind: "waiting", left: 0.5, width: 0.5, seconds: 20 }]);
});

it("draws nothing for what has not come to its turn", () => {
  expect(line("patch", 40)).toMatchObject({ parts: [], seconds: null });
});

it("draws as waiting what could begin and has not", () => {
  const free = { ...one, nodes: one.nodes.map((each) => (each.node_id === "check" ? node("check") : each)) };
  expect(line("check", 40, free)?.parts).toEqual([{ kind: "waiting", left: 0, width: 1, seconds: 40 }]);
});

it("ends where the run ended, however late one looks", () => {
  const ended = { ...one, state: "failed" as const, finished_at: at(50) };
  expect(ganttOf(ended, now(5_000))?.seconds).toBe(50);
});

it("draws no time of a node whose result is kept of another run", () => {
  const kept = {
    ...one,
    nodes: one.nodes.map((each) => ({ ...each, kept: each.node_id === "check", started_at: each.started_at && at(-900) })),
  };
  expect(line("check", 40, kept)?.parts).toEqual([]);
});

it("has nothing to draw before it began", () => {
  expect(ganttOf(run({ started_at: null, state: "queued" }), now(1))).toBeNull();
});

it.each([1, 9, 59, 61, 600, 4_000, 90_000, 700_000, 90 * 86_400])(
  "has a few ticks on an axis of %d seconds, within it",
  (seconds) => {
    const ticks = ticksOf(seconds);
    expect(ticks.length).toBeGreaterThan(1);
    expect(ticks.length).toBeLessThanOrEqual(8);
    expect(ticks.at(-1)?.at).toBeLessThanOrEqual(1);
  },
);

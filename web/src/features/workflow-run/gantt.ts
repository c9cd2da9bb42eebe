import { isNodeOver } from "@/api/workflow-merge";
import type { NodeState, NodeType, WorkflowRun } from "@/api/workflow-types";
import { inOrder, nodeOf } from "./graph";

/** When each node of a run waited and worked, on an axis of time. Pure: times come in, shares of the width go out. */

export type PartKind = "waiting" | "working";

export interface Part {
  kind: PartKind;
  /** Of the whole axis, 0 to 1. */
  left: number;
  width: number;
  seconds: number;
}

export interface Line {
  id: string;
  name: string;
  state: NodeState;
  parts: readonly Part[];
  /** While it worked; null where it did not begin. */
  seconds: number | null;
}

export interface Tick {
  at: number;
  seconds: number;
}

export interface Gantt {
  lines: readonly Line[];
  ticks: readonly Tick[];
  seconds: number;
}

/** Nodes that do nothing but wait: for time, for devices, for a person. */
const WAITERS: readonly NodeType[] = ["wait", "approval"];
const STEPS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
];
const MOST_TICKS = 7;

export const ticksOf = (seconds: number): Tick[] => {
  const step = STEPS.find((one) => seconds / one <= MOST_TICKS) ?? Math.ceil(seconds / MOST_TICKS / 604_800) * 604_800;
  const count = Math.floor(seconds / step);
  return Array.from({ length: count + 1 }, (_, place) => ({ at: (place * step) / seconds, seconds: place * step }));
};

const millis = (at: string | null): number | null => (at === null ? null : new Date(at).getTime());

/** null: it has not begun. */
export const ganttOf = (run: WorkflowRun, now: number): Gantt | null => {
  const begin = millis(run.started_at);
  if (begin === null) return null;
  const steps = new Map(run.definition.nodes.map((one) => [one.id, one]));
  const nodes = new Map(run.nodes.map((one) => [one.node_id, one]));
  const ends = run.nodes.flatMap((one) => millis(one.finished_at) ?? []);
  const end = Math.max(millis(run.finished_at) ?? now, begin + 1_000, ...ends);
  const span = end - begin;
  const part = (kind: PartKind, from: number, to: number): Part => {
    const first = Math.min(Math.max(from, begin), end);
    const last = Math.min(Math.max(to, first), end);
    return { kind, left: (first - begin) / span, width: (last - first) / span, seconds: (last - first) / 1000 };
  };
  /** When all that leads to it had ended. */
  const readyAt = (id: string): number | null => {
    const before = run.definition.edges.filter((one) => nodeOf(one.to) === id).map((one) => nodes.get(nodeOf(one.from)));
    const times = before.map((one) => (one?.kept ? begin : millis(one?.finished_at ?? null)));
    if (times.some((one) => one === null)) return null;
    return Math.max(begin, ...times.map((one) => one ?? begin));
  };
  const lines = inOrder(run.definition).flatMap((id): Line[] => {
    const node = nodes.get(id);
    const step = steps.get(id);
    if (!node || !step) return [];
    const line = { id, name: step.name || id, state: node.state };
    const from = node.kept ? null : millis(node.started_at);
    const ready = node.kept ? null : readyAt(id);
    if (from === null) {
      const waits = node.state === "pending" && ready !== null && run.finished_at === null;
      return [{ ...line, seconds: null, parts: waits ? [part("waiting", ready, now)] : [] }];
    }
    const to = millis(node.finished_at) ?? (isNodeOver(node.state) ? from : now);
    const works = part(WAITERS.includes(step.type) ? "waiting" : "working", from, to);
    const waited = ready !== null && from - ready >= 500 ? [part("waiting", ready, from)] : [];
    return [{ ...line, seconds: Math.max(0, to - from) / 1000, parts: [...waited, works] }];
  });
  return { lines, ticks: ticksOf(span / 1000), seconds: span / 1000 };
};

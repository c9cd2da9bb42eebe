import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type * as Live from "@/lib/live";
import { followWorkflowRun, withRun } from "./workflow-following";
import { changed, node, run } from "./workflow-made";
import { workflowRunKey } from "./workflow-runs";
import type { WorkflowRun } from "./workflow-types";

type Listener = Parameters<typeof Live.onLive>[1];
const told = vi.hoisted(() => ({ listeners: new Map<string, Listener>() }));
vi.mock("@/lib/live", async (original) => ({
  ...(await original<typeof Live>()),
  onLive: (kinds: readonly string[], listener: Listener) => {
    kinds.forEach((kind) => told.listeners.set(kind, listener));
    return () => undefined;
  },
}));
const tell = (kind: Live.Kind, event: object): void => told.listeners.get(kind)?.(event as Live.LiveEvent, kind);

let client: QueryClient;
let stale: number;
let rows: number;
let stop: () => void;

beforeEach(() => {
  vi.useFakeTimers();
  client = new QueryClient();
  stale = rows = 0;
  client.setQueryData(workflowRunKey(7), run({ nodes: [node("a", { state: "running", occurrence_id: "o-1" })] }));
  client.getQueryCache().subscribe((event) => {
    if (event.type === "updated" && event.action.type === "invalidate") stale += 1;
  });
  stop = followWorkflowRun(client, 7, () => {
    rows += 1;
  });
});
afterEach(() => {
  stop();
  vi.useRealTimers();
});

const known = (): WorkflowRun | undefined => client.getQueryData<WorkflowRun>(workflowRunKey(7));

it("shows the state of a node at once, and reads the rest anew once a second at most", async () => {
  tell("workflow.changed", changed({ nodes: [{ node_id: "a", state: "success" }] }));
  expect(known()?.nodes[0]?.state).toBe("success");
  for (let count = 0; count < 50; count++) {
    tell("target.changed", { occurrence_id: "o-1", job_id: 3 });
    await vi.advanceTimersByTimeAsync(50);
  }
  expect(rows).toBeGreaterThanOrEqual(2);
  expect(rows).toBeLessThanOrEqual(4);
  expect(stale).toBeLessThanOrEqual(1); // it is not read by anybody: once stale it stays so
});

it("is not concerned with other runs, nor with devices of other work", async () => {
  tell("workflow.changed", changed({ run_id: 8, state: "failed" }));
  tell("target.changed", { occurrence_id: "o-9", job_id: 3 });
  await vi.advanceTimersByTimeAsync(5_000);
  expect(known()?.state).toBe("running");
  expect([stale, rows]).toEqual([0, 0]);
});

const pages = (...ids: number[][]) => ({
  pages: ids.map((some) => ({ items: some.map((id) => run({ id })), next_cursor: null })),
  pageParams: ids.map(() => null),
});

it("changes a run where it stands in a list, and no other", () => {
  const before = pages([9, 8], [7]);
  const after = withRun(before, (one) => ({ ...one, state: "failed" }), 8);
  const states = after.pages.flatMap((page) => page.items.map((one) => one.state));
  expect(states).toEqual(["running", "failed", "running"]);
  expect(after.pages[0]?.items[0]).toBe(before.pages[0]?.items[0]);
});

it("leaves a list alone that does not have it", () => {
  const before = pages([9]);
  expect(withRun(before, (one) => ({ ...one, state: "failed" }), 5)).toBe(before);
});

import { QueryClient, QueryObserver } from "@tanstack/react-query";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type * as Live from "@/lib/live";
import { key } from "./query";
import { liveState } from "@/lib/live";
import { followRun } from "./run-following";

type Listener = Parameters<typeof Live.onLive>[1];
const told = vi.hoisted(() => ({ listener: null as Listener | null }));
vi.mock("@/lib/live", async (original) => ({
  ...(await original<typeof Live>()),
  onLive: (_: unknown, listener: Listener) => {
    told.listener = listener;
    return () => undefined;
  },
}));

const OF = { job_id: 7, occurrence_id: "o-1" };
let client: QueryClient;
let asked: string[];
let stop: () => void;

/** A query that somebody sees, or saw. */
const known = (queryKey: readonly unknown[], isSeen: boolean): void => {
  const name = queryKey.slice(1).join(" ");
  const queryFn = (): Promise<string> => {
    asked.push(name);
    return Promise.resolve(name);
  };
  client.setQueryData(queryKey, name);
  const unsubscribe = new QueryObserver(client, { queryKey, queryFn, staleTime: Infinity }).subscribe(() => undefined);
  if (!isSeen) unsubscribe();
};

beforeEach(() => {
  vi.useFakeTimers();
  client = new QueryClient();
  asked = [];
  known(key("results", "one", 7, "latest"), true);
  known(key("results", "rows", "o-1", "all", 0), true);
  known(key("results", "rows", "o-1", "all", 1), false);
  known(key("results", "places", "o-1", "all"), true);
  known(key("results", "groups", "o-1"), true);
  known(key("results", "rows", "o-2", "all", 0), true);
  stop = followRun(client, 7, "o-1");
});
afterEach(() => {
  stop();
  vi.useRealTimers();
});

it("reads the head and the pages in sight once a second, however much changes, and groups more seldom", async () => {
  for (let count = 0; count < 250; count++) {
    for (let change = 0; change < 20; change++) {
      told.listener?.(OF, "target.changed");
      told.listener?.(OF, "run.progress");
    }
    await vi.advanceTimersByTimeAsync(10); // 2,000 changes a second for 2.5 s
  }
  const times = (name: string): number => asked.filter((one) => one === name).length;
  expect(times("one 7 latest")).toBe(3);
  expect(times("rows o-1 all 0")).toBe(3);
  expect(times("groups o-1")).toBe(1);
  expect(asked.filter((one) => one.startsWith("rows o-1 all 1") || one.startsWith("places") || one.includes("o-2"))).toEqual([]);
  expect(client.getQueryState(key("results", "rows", "o-1", "all", 1))?.isInvalidated).toBe(true);
});

it("reads once more what was being read for the first time when it changed, and everything once the stream is open", async () => {
  const queryKey = key("results", "row", "o-1", 5);
  const answers = ["before", "after", "later"];
  const queryFn = vi.fn(() => new Promise<string | undefined>((resolve) => setTimeout(() => resolve(answers.shift()), 100)));
  const unsubscribe = new QueryObserver(client, { queryKey, queryFn }).subscribe(() => undefined);
  told.listener?.(OF, "target.changed");
  await vi.advanceTimersByTimeAsync(500);
  expect(client.getQueryData(queryKey)).toBe("after");
  liveState.set("live");
  await vi.advanceTimersByTimeAsync(1_500);
  expect(client.getQueryData(queryKey)).toBe("later");
  unsubscribe();
});

it("looks at the head where another occurrence of the job changed, and at nothing for other jobs", async () => {
  told.listener?.({ job_id: 8, occurrence_id: "o-1" }, "target.changed");
  told.listener?.({ job_id: 7, occurrence_id: "o-9" }, "run.progress");
  await vi.advanceTimersByTimeAsync(1_500);
  expect(asked).toEqual([]);
  told.listener?.({ job_id: 7, occurrence_id: "o-9" }, "occurrence.changed");
  await vi.advanceTimersByTimeAsync(1_500);
  expect(asked).toEqual(["one 7 latest"]);
});

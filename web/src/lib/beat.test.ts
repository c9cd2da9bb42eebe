import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { createBeat } from "./beat";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("answers the first change at once, and thousands more once a second", async () => {
  const work = vi.fn(() => Promise.resolve());
  const beat = createBeat(work, 1_000);
  beat.ring();
  await vi.advanceTimersByTimeAsync(1);
  expect(work).toHaveBeenCalledTimes(1);
  for (let count = 0; count < 300; count++) {
    for (let change = 0; change < 20; change++) beat.ring();
    await vi.advanceTimersByTimeAsync(10);
  }
  expect(work).toHaveBeenCalledTimes(4); // at 0, 1, 2 and 3 s
  await vi.advanceTimersByTimeAsync(5_000);
  expect(work).toHaveBeenCalledTimes(4);
});

it("waits for slow work, then sees what changed meanwhile", async () => {
  let finish: () => void = () => undefined;
  const work = vi.fn(() => new Promise<void>((resolve) => (finish = resolve)));
  const beat = createBeat(work, 1_000);
  beat.ring();
  await vi.advanceTimersByTimeAsync(1);
  beat.ring();
  await vi.advanceTimersByTimeAsync(9_000);
  expect(work).toHaveBeenCalledTimes(1);
  finish();
  await vi.advanceTimersByTimeAsync(1);
  expect(work).toHaveBeenCalledTimes(2);
});

it("goes on after work that failed, and stops when told", async () => {
  const work = vi.fn(() => Promise.reject(new Error("away")));
  const beat = createBeat(work, 10);
  beat.ring();
  await vi.advanceTimersByTimeAsync(20);
  beat.ring();
  await vi.advanceTimersByTimeAsync(20);
  expect(work).toHaveBeenCalledTimes(2);
  beat.ring();
  beat.stop();
  await vi.advanceTimersByTimeAsync(20);
  expect(work).toHaveBeenCalledTimes(2);
});

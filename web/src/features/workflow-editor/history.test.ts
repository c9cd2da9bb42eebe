import { expect, it } from "vitest";
import { type History, newHistory, noted, redone, undone } from "./history";

const typed = (kind: string | null, ats: readonly number[]): History<number> =>
  ats.reduce<History<number>>((history, at, before) => noted(history, before, kind, at), newHistory());

it("goes back and forth", () => {
  const history = typed(null, [0, 1, 2]);
  const back = undone(history, 3);
  expect(back?.value).toBe(2);
  const further = back && undone(back.history, back.value);
  expect(further?.value).toBe(1);
  const forth = further && redone(further.history, further.value);
  expect(forth?.value).toBe(2);
  expect(forth && redone(forth.history, forth.value)?.value).toBe(3);
});

it("has nothing before the beginning and after the end", () => {
  expect(undone(newHistory<number>(), 1)).toBeNull();
  expect(redone(newHistory<number>(), 1)).toBeNull();
});

it("forgets what was undone once something else is done", () => {
  const back = undone(typed(null, [0, 1]), 2);
  expect(back && noted(back.history, back.value, null, 5).future).toEqual([]);
});

it("takes letters that follow quickly as one change, and others not", () => {
  expect(typed("name", [0, 300, 900, 1_500]).past).toEqual([0]);
  expect(typed("name", [0, 300, 1_500]).past).toEqual([0, 2]);
  expect(noted(typed("name", [0]), 1, "message", 10).past).toEqual([0, 1]);
});

it("keeps a hundred steps", () => {
  const history = typed(
    null,
    Array.from({ length: 250 }, (_, at) => at),
  );
  expect(history.past).toHaveLength(100);
  expect(history.past[0]).toBe(150);
});

import { expect, test } from "vitest";
import { COUNTERS, tone } from "./recap";

test("nothing is never a trouble", () => {
  expect(COUNTERS.map((one) => tone(one, 0))).toEqual(COUNTERS.map(() => undefined));
});

test("what failed or could not be reached stands out, what changed is told apart from what was ok", () => {
  expect(COUNTERS.map((one) => tone(one, 1))).toEqual(["good", "warn", "bad", "bad", undefined, "warn", "warn"]);
});

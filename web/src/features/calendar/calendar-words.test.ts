import { expect, it } from "vitest";
import { clockChange, coveredBy, heatOf, timesInWords, worstOf } from "./calendar-words";

it("shows the worst of what a job has in a day", () => {
  expect(worstOf({ success: 90, failed: 1 })).toBe("failed");
  expect(worstOf({ success: 90, planned: 6 })).toBe("success");
  expect(worstOf({ planned: 6 })).toBe("planned");
});

it("says how often instead of naming each", () => {
  expect(timesInWords({ number: 1, period_seconds: null }, "03:00")).toBe("03:00");
  expect(timesInWords({ number: 96, period_seconds: 900 }, "00:00")).toBe("every 15 min ×96");
  expect(timesInWords({ number: 1_440, period_seconds: null }, "00:00")).toBe("×1,440");
});

it("tells a day on which the clocks change", () => {
  const day = (starts_at: string, ends_at: string) => clockChange({ starts_at, ends_at });
  expect(day("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z")).toBe("23 h long: the clocks go forward by 1 h");
  expect(day("2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z")).toBe("25 h long: the clocks go back by 1 h");
  expect(day("2026-05-03T22:00:00Z", "2026-05-04T22:00:00Z")).toBeNull();
  expect(day("2026-05-03T22:00:00Z", "2026-05-03T23:00:00Z")).toBeNull();
});

it("knows how full and how covered a stretch is", () => {
  expect([heatOf(0, 10), heatOf(1, 100), heatOf(51, 100), heatOf(100, 100), heatOf(0, 0)]).toEqual([0, 1, 3, 4, 0]);
  const day = { starts_at: "2026-05-04T00:00:00Z", ends_at: "2026-05-05T00:00:00Z" };
  expect(coveredBy(day, [])).toBe("none");
  expect(coveredBy(day, [{ starts_at: "2026-05-04T22:00:00Z", ends_at: "2026-05-05T06:00:00Z" }])).toBe("part");
  expect(coveredBy(day, [{ starts_at: "2026-05-01T00:00:00Z", ends_at: null }])).toBe("all");
});

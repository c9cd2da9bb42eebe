import { expect, it } from "vitest";
import { addMonths, beginningOf, dateIn, moved, shownBy, titleOf, weekOf } from "./calendar-dates";

it("finds where a day begins, also where the clocks change on it", () => {
  expect(beginningOf("2026-05-04", "Europe/Berlin").toISOString()).toBe("2026-05-03T22:00:00.000Z");
  expect(beginningOf("2026-03-29", "Europe/Berlin").toISOString()).toBe("2026-03-28T23:00:00.000Z");
  expect(beginningOf("2026-03-30", "Europe/Berlin").toISOString()).toBe("2026-03-29T22:00:00.000Z");
  expect(beginningOf("2026-01-01", "Pacific/Auckland").toISOString()).toBe("2025-12-31T11:00:00.000Z");
  expect(dateIn("Pacific/Auckland", new Date("2025-12-31T12:00:00Z"))).toBe("2026-01-01");
});

it("shows whole weeks of a month, beginning on Monday", () => {
  expect(weekOf("2026-05-04")).toBe("2026-05-04");
  expect(weekOf("2026-05-10")).toBe("2026-05-04");
  expect(shownBy("month", "2026-05-17", 7)).toMatchObject({ first: "2026-04-27", end: "2026-06-01", step: "day" });
  expect(shownBy("day", "2026-05-17", 7)).toMatchObject({ first: "2026-05-17", end: "2026-05-18", step: "hour" });
});

it("moves by what is shown", () => {
  expect(moved("month", "2026-01-31", 7, 1)).toBe("2026-02-01");
  expect(moved("week", "2026-01-01", 7, -1)).toBe("2025-12-25");
  expect(moved("agenda", "2026-01-01", 3, 1)).toBe("2026-01-04");
  expect(addMonths("2026-01-31", 1)).toBe("2026-02-28");
});

it("names what is shown", () => {
  expect(titleOf("month", "2026-05-17", 7)).toBe("May 2026");
  expect(titleOf("day", "2026-05-17", 7)).toBe("Sun 17 May 2026");
  expect(titleOf("week", "2026-05-06", 7)).toBe("Mon 4 May – Sun 10 May 2026");
});

import { expect, it } from "vitest";
import { dayOf, withDays } from "./days";

it("begins a day where the clocks of the zone do", () => {
  const rows = ["2026-11-29T00:30:00Z", "2026-11-28T23:30:00Z", "2026-11-28T12:00:00Z"];
  const days = (zone: string): string[] =>
    withDays(rows, (at) => dayOf(at, zone)).map((one) => ("day" in one ? one.day : one.row));
  expect(days("UTC")).toEqual(["Sunday 29 November 2026", rows[0], "Saturday 28 November 2026", rows[1], rows[2]]);
  expect(days("Europe/Berlin")).toEqual(["Sunday 29 November 2026", rows[0], rows[1], "Saturday 28 November 2026", rows[2]]);
});

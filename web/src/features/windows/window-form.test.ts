import { expect, it } from "vitest";
import { isWhole, lengthOf, newWindow, ofKind, ofType, ofZones, withLength } from "./window-form";

const now = new Date("2026-05-04T12:00:00Z"); // a Monday

it("begins with a night of the next Sunday", () => {
  expect(newWindow("Europe/Berlin", now).spans).toEqual([
    { schedule: { type: "weekly", start: "2026-05-10T02:00", timezone: "Europe/Berlin" }, duration_seconds: 7_200 },
  ]);
});

it("keeps of a schedule what the next type has too", () => {
  const cron = ofType({ type: "daily", start: "2026-05-04T02:00", timezone: "UTC", end: "2026-06-01T00:00" }, "cron");
  expect(cron).toMatchObject({ type: "cron", timezone: "UTC", end: "2026-06-01T00:00", expression: "0 2 * * 0" });
  expect(ofType(cron, "once")).toEqual({ type: "once", start: "2026-05-04T02:00", timezone: "UTC" });
});

it("leaves out what contradicts a choice", () => {
  const window = { ...newWindow("UTC", now), kind: "allow" as const, cutoff_seconds: 600, stop_at_end: true };
  expect(ofKind(window, "deny")).toMatchObject({ cutoff_seconds: 0, stop_at_end: false });
  expect(ofZones(window, "site", "UTC").spans[0]?.schedule.timezone).toBeUndefined();
  expect(ofZones(ofZones(window, "site", "UTC"), "fixed", "Europe/Berlin").spans[0]?.schedule.timezone).toBe("Europe/Berlin");
});

it("reads a length in the largest unit, and days as days of the calendar", () => {
  const span = newWindow("UTC", now).spans[0];
  if (!span) throw new Error("a new window has a span");
  expect(lengthOf(span)).toEqual({ number: 2, unit: "hours" });
  const days = withLength(span, 3, "days");
  expect([days.duration_days, days.duration_seconds]).toEqual([3, undefined]);
  expect(lengthOf(withLength(days, 90, "minutes"))).toEqual({ number: 90, unit: "minutes" });
});

it("knows an attachment that names nothing yet", () => {
  expect([isWhole({ kind: "global" }), isWhole({ kind: "site" }), isWhole({ kind: "site", site_id: 3 })]).toEqual([
    true,
    false,
    true,
  ]);
});

import { expect, it } from "vitest";
import { absolute, duration, relative, short, toInstant, toLocalInput, zoneName, zoneOf } from "./time";

const NOW = new Date("2026-11-29T01:30:00Z");

it.each([
  ["2026-11-29T02:00:00Z", "Europe/Berlin", "today 03:00"],
  ["2026-11-30T02:00:00Z", "Europe/Berlin", "tomorrow 03:00"],
  ["2026-11-28T22:30:00Z", "UTC", "yesterday 22:30"],
  ["2026-11-28T23:30:00Z", "Europe/Berlin", "today 00:30"],
  ["2027-01-04T02:00:00Z", "Europe/Berlin", "Mon 04 Jan 2027 03:00"],
])("says %s in %s as %s", (at, zone, said) => {
  expect(short(at, zone, NOW).replaceAll(",", "")).toBe(said);
});

it("names the zone as it is called at that instant", () => {
  expect(zoneName("Europe/Berlin", new Date("2026-07-01T00:00:00Z"))).toMatch(/CEST|GMT\+2/);
  expect(zoneName("Europe/Berlin", NOW)).toMatch(/CET|GMT\+1/);
  expect(absolute("2026-11-29T02:00:05Z", "UTC")).toMatch(/02:00:05 UTC$/);
});

it("shows a site's clocks only where there is a site", () => {
  expect(zoneOf("site", "Asia/Tokyo")).toBe("Asia/Tokyo");
  expect(zoneOf("site", null)).toBe(zoneOf("mine"));
  expect(zoneOf("utc", "Asia/Tokyo")).toBe("UTC");
});

it.each([
  [0, "0 s"],
  [0.34, "0.3 s"],
  [61, "1 min 1 s"],
  [3_600, "1 h"],
  [90_061, "1 d 1 h"],
  [86_460, "1 d"],
])("tells %d seconds as %s", (seconds, said) => {
  expect(duration(seconds)).toBe(said);
});

it.each([
  ["2026-11-29T01:35:00Z", "in 5 min"],
  ["2026-11-28T23:30:00Z", "2 h ago"],
  ["2026-11-29T01:30:00Z", "now"],
  ["2027-02-20T01:30:00Z", "in 83 d"],
  ["2027-03-29T01:30:00Z", "in 4 months"],
  ["2025-03-29T01:30:00Z", "20 months ago"],
  ["2031-01-01T03:00:00Z", "in 4 years"],
])("tells %s as %s", (at, said) => {
  expect(relative(at, NOW)).toBe(said);
});

it("reads a field of a form on this browser's clocks", () => {
  expect(toInstant(toLocalInput(NOW))).toBe(NOW.toISOString());
  expect(toInstant("")).toBeNull();
});

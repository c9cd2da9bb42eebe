import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import type { Address, AddressCount } from "@/api/onboarding";
import {
  ADDRESS_REASONS,
  ADDRESS_STATES,
  addressMark,
  adviceOf,
  alsoCalled,
  countOf,
  countsInOrder,
  isUnfinished,
  nameOf,
  whatOf,
} from "./address-words";

const known = (name: string): string[] => {
  const document = JSON.parse(readFileSync("src/api/generated/openapi.json", "utf8")) as {
    components: { schemas: Record<string, { enum?: string[] }> };
  };
  return document.components.schemas[name]?.enum ?? [];
};

it("has words of its own for every state and every reason, no two of them alike", () => {
  expect([...ADDRESS_STATES].sort()).toEqual(known("OnboardingState").sort());
  expect([...ADDRESS_REASONS].sort()).toEqual(known("OnboardingReason").sort());
  const states = ADDRESS_STATES.map((state) => addressMark({ state, reason: null }).word);
  expect(new Set(states).size).toBe(states.length);
  const reasons = ADDRESS_REASONS.map((reason) => addressMark({ state: "failed", reason }).word);
  expect(new Set(reasons).size).toBe(reasons.length);
  expect(ADDRESS_REASONS.filter((one) => !adviceOf(one))).toEqual([]);
});

it("says why before it says what, and shows what it does not know as it is called", () => {
  expect(addressMark({ state: "unreachable", reason: "no_answer" })).toMatchObject({ word: "No answer", tone: "idle" });
  expect(addressMark({ state: "failed", reason: "no_space" })).toMatchObject({ word: "Disk full", tone: "bad", icon: "failed" });
  expect(addressMark({ state: "adrift" as never, reason: "low_tide" as never }).word).toBe("Low tide");
});

const COUNTS: AddressCount[] = [
  { state: "unreachable", reason: "no_answer", number: 40 },
  { state: "failed", reason: "no_space", number: 2 },
  { state: "failed", reason: "no_egress", number: 1 },
  { state: "waiting_approval", reason: null, number: 3 },
  { state: "approved", reason: null, number: 0 },
];

it("tells first what asks for somebody", () => {
  expect(countsInOrder(COUNTS).map((one) => one.reason ?? one.state)).toEqual([
    "waiting_approval",
    "no_space",
    "no_egress",
    "no_answer",
  ]);
});

it("counts what a filter shows", () => {
  expect(countOf(COUNTS, { state: [], reason: [] })).toBe(46);
  expect(countOf(COUNTS, { state: ["failed"], reason: [] })).toBe(3);
  expect(countOf(COUNTS, { state: ["failed"], reason: ["no_egress"] })).toBe(1);
});

it("knows what another go could make something of", () => {
  expect(isUnfinished({ state: "failed", reason: "no_space" })).toBe(true);
  expect(isUnfinished({ state: "skipped", reason: "cancelled" })).toBe(true);
  expect(isUnfinished({ state: "skipped", reason: "already_managed" })).toBe(false);
  expect(isUnfinished({ state: "installing", reason: null })).toBe(false);
  expect(isUnfinished({ state: "denied", reason: "denied" })).toBe(false);
});

it("calls an address by itself, a name without one by its name, and tells what is being done", () => {
  expect(nameOf({ address: null, names: ["buoy.example"], entry: "x" })).toBe("buoy.example");
  expect(alsoCalled({ address: "10.4.0.9", names: ["buoy.example"], hostname: "buoy-9" })).toBe("buoy-9 · buoy.example");
  const task = { task: "upload", state: "running", detail: "28 MiB", snippet: null, started_at: "", finished_at: null } as const;
  const at: Pick<Address, "detail" | "timeline"> = { detail: null, timeline: [task] };
  expect(whatOf({ ...at, state: "installing" })).toBe("Upload the package: 28 MiB");
  expect(whatOf({ ...at, state: "approved" })).toBeNull();
});

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { inCountOrder, occurrenceState, STATES, stateMark } from "./states";

/** Every word that the API's document gives a state or an outcome of ours. */
const document = JSON.parse(readFileSync("src/api/generated/openapi.json", "utf8")) as {
  components: { schemas: Record<string, { enum?: string[] }> };
};

it("knows every state of a target that the Engine can tell", () => {
  const told = document.components.schemas["TargetState"]?.enum ?? [];
  expect(told.length).toBeGreaterThan(10);
  expect(told.filter((one) => !(one in STATES))).toEqual([]);
});

it("shows a word that it does not know as the Engine says it", () => {
  expect(stateMark("waiting_approval").word).toBe("Waiting approval");
});

it("tells a finished occurrence by its outcome", () => {
  expect(occurrenceState({ state: "closed", outcome: "failed" })).toBe("failed");
  expect(occurrenceState({ state: "missed", outcome: null })).toBe("missed");
});

it("counts what went wrong first, and nothing that is not there", () => {
  expect(inCountOrder({ success: 5, failed: 1, pending: 2, lost: 0 })).toEqual([
    ["failed", 1],
    ["pending", 2],
    ["success", 5],
  ]);
});

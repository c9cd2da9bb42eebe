import { expect, it } from "vitest";
import { type Execution, executionState } from "@/api/runs";
import { sessionsOf } from "./sessions";

const execution = (id: string, session_id: string | null) => ({ id, session_id }) as Execution;

it("has a session once, with what ran last in it, and none of the system", () => {
  const some = [execution("a", "2"), execution("b", "5"), execution("c", "2"), execution("d", null)];
  expect(sessionsOf(some).map((one) => [one.session, one.last.id])).toEqual([
    ["2", "c"],
    ["5", "b"],
  ]);
});

it.each([
  ["running", null, null, "running"],
  ["finished", "exited", "success", "success"],
  ["finished", "exited", "not_compliant", "not_compliant"],
  ["finished", "timed_out", null, "timed_out"],
] as const)("calls an execution %s, %s, %s %s", (state, outcome, result, word) => {
  expect(executionState({ state, outcome, result })).toBe(word);
});

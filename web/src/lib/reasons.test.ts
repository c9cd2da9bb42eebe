import { expect, it } from "vitest";
import { whyOf, whyRow } from "./reasons";

const NONE = { reason: null, detail: null, cancel_sentence: null, late_result: null };

it("shows the Engine's own sentence before one for the code, and a code that is not known as it is", () => {
  expect(whyOf({ reason: "offline", detail: "Away since noon." })).toBe("Away since noon.");
  expect(whyOf({ reason: "offline_skip", detail: null })).toBe("It was offline, and the job does not wait.");
  expect(whyOf({ reason: "of_the_future", detail: null })).toBe("of the future.");
  expect(whyOf(NONE)).toBeNull();
});

it("tells what became of a stop, and of an answer that came late", () => {
  expect(whyRow({ ...NONE, reason: "cancelled", cancel_sentence: "It was stopped." })).toBe("It was stopped.");
  expect(whyRow({ ...NONE, late_result: {} })).toBe("A later answer of the device is kept with it.");
  expect(whyRow(NONE)).toBeNull();
});

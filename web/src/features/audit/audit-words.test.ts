import { expect, it } from "vitest";
import { actionInWords, detailInWords, nameOf, pageOf } from "./audit-words";

it("says what was done to what, and where that is", () => {
  expect(actionInWords("job.clear_history")).toBe("Clear history");
  expect(pageOf({ object_kind: "window", object_id: "5", detail: {} })).toBe("/windows/5");
  expect(pageOf({ object_kind: "occurrence", object_id: "x", detail: { job_id: 7 } })).toBe("/jobs/7/run?occurrence=x");
  expect(pageOf({ object_kind: "occurrence", object_id: "x", detail: {} })).toBeNull();
  expect(pageOf({ object_kind: "api_token", object_id: "5", detail: {} })).toBeNull();
  expect(nameOf({ object_kind: "job", object_id: "7", detail: { name: "Clear spool" } })).toBe("Clear spool");
  expect(nameOf({ object_kind: "job", object_id: "7", detail: {} })).toBe("7");
});

it("tells the rest on one line", () => {
  expect(detailInWords({ name: "x", revision: 3, reason: null, enabled: false, kinds: ["a"] })).toBe(
    'revision: 3, enabled: false, kinds: ["a"]',
  );
});

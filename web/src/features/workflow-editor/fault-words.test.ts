import { expect, it } from "vitest";
import { faultInWords, isAbout } from "./fault-words";

it("says of what a problem speaks", () => {
  expect(faultInWords({ field: "workflow.nodes.3.settings.timeout_seconds", message: "must be at least 60" })).toBe(
    "Timeout seconds: must be at least 60.",
  );
  expect(faultInWords({ field: "workflow.nodes.3", message: "leads nowhere" })).toBe("Leads nowhere.");
  expect(faultInWords({ field: "workflow.max_parallel", message: "must be a number." })).toBe("Max parallel: must be a number.");
});

it("finds the field that a problem is about", () => {
  expect(isAbout("workflow.nodes.3.settings.url", "settings.url")).toBe(true);
  expect(isAbout("workflow.nodes.3.settings.headers.X", "settings.headers")).toBe(true);
  expect(isAbout("workflow.nodes.3.settings.url_long", "settings.url")).toBe(false);
  expect(isAbout("workflow.nodes.3.filename", "name")).toBe(false);
});

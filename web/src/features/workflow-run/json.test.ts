import { expect, it } from "vitest";
import { boundedJson } from "./json";

it("is indented, and whole where it is short", () => {
  expect(boundedJson({ a: [1] })).toEqual({ text: '{\n  "a": [\n    1\n  ]\n}', left: 0 });
  expect(boundedJson(undefined)).toEqual({ text: "null", left: 0 });
});

it("is cut where it is long, and says how much is left out", () => {
  expect(boundedJson("x".repeat(30), 10)).toEqual({ text: `"${"x".repeat(9)}`, left: 22 });
});

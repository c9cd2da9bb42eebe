import { expect, it } from "vitest";
import type { DeclaredVariable } from "@/api/assemblies";
import { lacking, placeholder, promptable, withValue } from "./parameters";

const variable = (name: string, some: object = {}): DeclaredVariable => ({
  name,
  type: "string",
  required: false,
  default: null,
  choices: [],
  description: "",
  promptable: true,
  ...some,
});

it("asks only for what a launch may set", () => {
  const declared = [variable("host"), variable("fixed", { promptable: false }), variable("old", { promptable: undefined })];
  expect(promptable(declared).map((one) => one.name)).toEqual(["host", "old"]);
});

it("lacks what must be given and has no default", () => {
  const declared = [variable("a", { required: true }), variable("b", { required: true, default: 0 }), variable("c")];
  expect(lacking(declared, {})).toEqual(["a"]);
  expect(lacking(declared, { a: "" })).toEqual(["a"]);
  expect(lacking(declared, { a: false })).toEqual([]);
});

it("forgets what is cleared, so that the default counts", () => {
  expect(withValue({ a: 1, b: 2 }, "a", undefined)).toEqual({ b: 2 });
  expect(withValue({ a: 1 }, "a", 0)).toEqual({ a: 0 });
});

it("shows the default where nothing is given", () => {
  expect(placeholder(variable("a", { default: 5 }))).toBe("5 (default)");
  expect(placeholder(variable("a", { required: true }))).toBe("");
});

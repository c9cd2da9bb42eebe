import { expect, it } from "vitest";
import { bytes } from "./bytes";
import { fieldErrors } from "./field-errors";
import { madeUpPassword } from "./made-up-password";

it("says sizes at a glance", () => {
  expect([0, 1023, 1536, 20 * 1024 ** 2, 3 * 1024 ** 3].map(bytes)).toEqual(["0 B", "1023 B", "1.5 KiB", "20 MiB", "3.0 GiB"]);
});

it("puts each sentence of a refusal beside its field", () => {
  const errorOf = fieldErrors({
    errors: [
      { field: "name", message: "is reserved" },
      { field: "name", message: "is too long." },
      { field: "variables.0.name", message: "is declared twice" },
    ],
  });
  expect(errorOf("name")).toBe("Is reserved. Is too long.");
  expect(errorOf("variables.0.name")).toBe("Is declared twice.");
  expect(errorOf("content")).toBeUndefined();
});

it("makes up passwords that differ and can be typed", () => {
  const [one, other] = [madeUpPassword(), madeUpPassword()];
  expect(one).toMatch(/^([a-hjkmnp-z2-9]{4}-){4}[a-hjkmnp-z2-9]{4}$/);
  expect(one).not.toBe(other);
});

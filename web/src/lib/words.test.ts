import { expect, it } from "vitest";
import { bytes } from "./bytes";
import { madeUpPassword } from "./made-up-password";

it("says sizes at a glance", () => {
  expect([0, 1023, 1536, 20 * 1024 ** 2, 3 * 1024 ** 3].map(bytes)).toEqual(["0 B", "1023 B", "1.5 KiB", "20 MiB", "3.0 GiB"]);
});

it("makes up passwords that differ and can be typed", () => {
  const [one, other] = [madeUpPassword(), madeUpPassword()];
  expect(one).toMatch(/^([a-hjkmnp-z2-9]{4}-){4}[a-hjkmnp-z2-9]{4}$/);
  expect(one).not.toBe(other);
});

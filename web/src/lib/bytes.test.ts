import { expect, it } from "vitest";
import { bytes } from "./bytes";

it.each([
  [0, "0 B"],
  [1_023, "1023 B"],
  [1_536, "1.5 KiB"],
  [12 * 1024 ** 2, "12 MiB"],
  [5 * 1024 ** 4, "5120 GiB"],
])("says %d as %s", (number, said) => {
  expect(bytes(number)).toBe(said);
});

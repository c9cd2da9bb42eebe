import { expect, it } from "vitest";
import { findText, nextFound } from "./find-text";

it("finds every place without regard to case, line by line", () => {
  expect(findText(["Disk full", "", "the disk, the DISK"], "disk")).toEqual([
    { line: 0, begins: 0, ends: 4 },
    { line: 2, begins: 4, ends: 8 },
    { line: 2, begins: 14, ends: 18 },
  ]);
  expect(findText(["a"], "")).toEqual([]);
});

it("stops where nobody walks on", () => {
  expect(findText(["aaaa", "aaaa"], "a", 5)).toHaveLength(5);
});

it("walks round the end, and begins where one looks", () => {
  const found = findText(["x", "x", "x"], "x");
  expect(nextFound(found, null, 1, 1)).toBe(1);
  expect(nextFound(found, 2, 1)).toBe(0);
  expect(nextFound(found, 0, -1)).toBe(2);
  expect(nextFound([], null, 1)).toBeNull();
});

import { expect, it } from "vitest";
import { pagesOf } from "./pages";

it.each([
  [0, 30, 100, 20_000, [0]],
  [95, 130, 100, 20_000, [0, 1]],
  [19_990, 20_050, 100, 20_000, [199]],
  [-5, 3, 100, 2, [0]],
  [0, 10, 100, 0, []],
  [10, 5, 100, 50, []],
])("of the rows %d to %d by %d of %d are the pages %o", (first, last, every, total, pages) => {
  expect(pagesOf(first, last, every, total)).toEqual(pages);
});

import { expect, it } from "vitest";
import { withRun } from "./workflow-following";
import { run } from "./workflow-made";

const pages = (...ids: number[][]) => ({
  pages: ids.map((some) => ({ items: some.map((id) => run({ id })), next_cursor: null })),
  pageParams: ids.map(() => null),
});

it("changes a run where it stands in the list, and no other", () => {
  const before = pages([9, 8], [7]);
  const after = withRun(before, (one) => ({ ...one, state: "failed" }), 8);
  expect(after.pages.map((page) => page.items.map((one) => [one.id, one.state]))).toEqual([
    [
      [9, "running"],
      [8, "failed"],
    ],
    [[7, "running"]],
  ]);
  expect(after.pages[0]?.items[0]).toBe(before.pages[0]?.items[0]);
});

it("leaves a list alone that does not have it", () => {
  const before = pages([9]);
  expect(withRun(before, (one) => ({ ...one, state: "failed" }), 5)).toBe(before);
});

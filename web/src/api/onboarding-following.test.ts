import { expect, it } from "vitest";
import type { Address, Addresses } from "./onboarding";
import { withChanges, withRows } from "./onboarding-following";

const row = (id: number, more: Partial<Address> = {}) =>
  ({ id, state: "pending", reason: null, detail: "as read", ...more }) as Address;
const page = (...items: Address[]) => ({ items, counts: [], unfinished: 0, occurrence: null, next_cursor: null }) as Addresses;
const DATA = { pages: [page(row(1), row(2)), page(row(3))], pageParams: [null, "b"] };
const rows = (data: { pages: readonly Addresses[] }) => data.pages.flatMap((one) => one.items);

it("marks rows that an event names, in their places, and leaves the others as they are", () => {
  const change = { target_id: 3, state: "failed", reason: "no_space" } as const;
  const now = withChanges(DATA, new Map([[3, change]]));
  expect(rows(now).map((one) => [one.id, one.state, one.detail])).toEqual([
    [1, "pending", "as read"],
    [2, "pending", "as read"],
    [3, "failed", null],
  ]);
  expect(now.pages[0]).toBe(DATA.pages[0]);
});

it("draws nothing anew where nothing changed", () => {
  expect(withChanges(DATA, new Map([[2, { target_id: 2, state: "pending", reason: null }]]))).toBe(DATA);
  expect(withChanges(DATA, new Map([[9, { target_id: 9, state: "approved", reason: null }]]))).toBe(DATA);
});

it("puts rows that were read anew where they stood", () => {
  const now = withRows(DATA, new Map([[1, row(1, { state: "approved", detail: null })]]));
  expect(rows(now).map((one) => one.state)).toEqual(["approved", "pending", "pending"]);
});

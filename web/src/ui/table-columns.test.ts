import { expect, it } from "vitest";
import { type Column, nextSort, shownColumns } from "./table-columns";

const column = (id: string, more: Partial<Column<null>> = {}): Column<null> => ({
  id,
  header: id,
  width: 10,
  cell: () => null,
  ...more,
});
const COLUMNS = [
  column("name", { fixed: true, sort: { ascending: "name", descending: "-name" } }),
  column("state"),
  column("owner", { extra: true }),
];
const ids = (chosen: string[]) => shownColumns(COLUMNS, chosen).map((one) => one.id);

it("shows the usual columns unless others were chosen", () => {
  expect(ids([])).toEqual(["name", "state"]);
  expect(ids(["owner", "name"])).toEqual(["owner", "name"]);
});

it("keeps what is always there, and forgets what does not exist", () => {
  expect(ids(["owner", "colour", "owner"])).toEqual(["name", "owner"]);
  expect(ids(["colour"])).toEqual(["name", "state"]);
});

it("turns the order round at the second press", () => {
  const [name, state] = COLUMNS;
  if (!name || !state) throw new Error("columns");
  expect([nextSort(name, ""), nextSort(name, "name"), nextSort(name, "-name")]).toEqual(["name", "-name", "name"]);
  expect(nextSort(state, "name")).toBeNull();
});

import type { ReactNode } from "react";

/** A column of a DataTable. `id` is the field of the row that a saved view names. */
export interface Column<T> {
  id: string;
  header: string;
  cell: (row: T) => ReactNode;
  /** Pixels at which it is laid out; the rest is shared out among the columns that `grow`. */
  width: number;
  grow?: boolean;
  align?: "left" | "right";
  /** The words of the API's `sort` for it; without, it cannot be sorted by. */
  sort?: { ascending: string; descending: string };
  /** Always shown. */
  fixed?: boolean;
  /** Not shown until chosen. */
  extra?: boolean;
  /** On a phone: the heading of the card, a line of it with the column's name, or not there. Usual: `line`. */
  phone?: "title" | "line" | "bare" | "hidden";
}

export const usualColumns = <T>(columns: readonly Column<T>[]): string[] =>
  columns.filter((one) => !one.extra).map((one) => one.id);

/** The columns to show, in their order: what was chosen as far as it exists, and what is always there. */
export const shownColumns = <T>(columns: readonly Column<T>[], chosen: readonly string[]): Column<T>[] => {
  const known = new Map(columns.map((one) => [one.id, one]));
  const some = [...new Set(chosen)].flatMap((id) => known.get(id) ?? []);
  if (some.length === 0) return columns.filter((one) => !one.extra);
  const missing = columns.filter((one) => one.fixed && !some.includes(one));
  return [...missing, ...some];
};

/** What a press on a heading asks for: ascending first, then descending. */
export const nextSort = <T>(column: Column<T>, current: string): string | null => {
  if (!column.sort) return null;
  return current === column.sort.ascending ? column.sort.descending : column.sort.ascending;
};

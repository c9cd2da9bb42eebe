import { Checkbox, Loader } from "@mantine/core";
import { type ColumnDef, getCoreRowModel, useReactTable } from "@tanstack/react-table";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import { useKeys } from "@/lib/keys";
import { useIsPhone } from "@/lib/use-is-phone";
import { DataTableHead } from "./DataTableHead";
import { DataTableRow } from "./DataTableRow";
import classes from "./DataTable.module.css";
import { ProblemAlert } from "./ProblemAlert";
import { type Column, shownColumns } from "./table-columns";

/** What the table needs of `useInfiniteQuery`. */
export interface TableQuery<T> {
  data: { pages: readonly { items: readonly T[] }[] } | undefined;
  error: Error | null;
  isPending: boolean;
  hasNextPage: boolean;
  isFetchingNextPage: boolean;
  fetchNextPage: () => unknown;
  refetch: () => unknown;
}

export interface DataTableProps<T> {
  /** What the rows are, for those who cannot see the table: “Scheduled jobs”. */
  label: string;
  query: TableQuery<T>;
  columns: readonly Column<T>[];
  /** Ids of the columns to show, in order; all usual ones when empty. */
  shown?: readonly string[];
  rowId: (row: T) => string;
  /** How a row is called, for its checkbox. */
  rowName: (row: T) => string;
  /** Shown where there is no row at all. */
  empty: ReactNode;
  sort?: string;
  onSort?: (sort: string) => void;
  selected?: ReadonlySet<string>;
  onSelect?: (selected: ReadonlySet<string>) => void;
  /** Enter or `o` on the row that has the focus. */
  onOpen?: (row: T) => void;
  /** Further keys for the row that has the focus, such as `r`. */
  rowKeys?: readonly { keys: string; does: string; run: (row: T) => void }[];
  /** The last cell: actions without opening. */
  actions?: (row: T) => ReactNode;
}

const AHEAD = 30;

/**
 * A list of any length: rows are drawn as they come into sight and read as they are neared. j and k walk, x selects, Enter opens.
 * It fills the height that its page leaves.
 */
export const DataTable = <T,>(props: DataTableProps<T>) => {
  const { label, query, columns, rowId, empty, selected, onSelect, onOpen, rowKeys = [] } = props;
  const isPhone = useIsPhone();
  const scroller = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState(-1);
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  const visible = useMemo(() => shownColumns(columns, props.shown ?? []), [columns, props.shown]);
  const defs = useMemo<ColumnDef<T>[]>(() => visible.map((one) => ({ id: one.id, size: one.width, meta: one })), [visible]);
  const table = useReactTable({ data: rows, columns: defs, getRowId: rowId, getCoreRowModel: getCoreRowModel() });
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => (isPhone ? 168 : 44),
    getItemKey: (place) => {
      const row = rows[place];
      return row === undefined ? place : rowId(row);
    },
    overscan: 8,
  });
  const items = virtual.getVirtualItems();
  const last = items.at(-1)?.index ?? -1;
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = query;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && !query.error && last >= rows.length - AHEAD) fetchNextPage();
  }, [last, rows.length, hasNextPage, isFetchingNextPage, fetchNextPage, query.error]);

  const walk = (step: number): void => {
    const next = Math.max(0, Math.min(rows.length - 1, at + step));
    setAt(next);
    virtual.scrollToIndex(next);
  };
  const toggle = (row: T): void => {
    const next = new Set(selected);
    if (!next.delete(rowId(row))) next.add(rowId(row));
    onSelect?.(next);
  };
  const here = rows[at];
  const on = (run: ((row: T) => void) | undefined) => () => here !== undefined && run?.(here);
  useKeys([
    { keys: "j", does: "Next row", group: "List", run: () => walk(1) },
    { keys: "k", does: "Row before", group: "List", run: () => walk(-1) },
    ...(onSelect ? [{ keys: "x", does: "Select the row", group: "List", run: on(toggle) }] : []),
    ...(onOpen ? ["Enter", "o"].map((keys) => ({ keys, does: "Open the row", group: "List", run: on(onOpen) })) : []),
    ...rowKeys.map((one) => ({ keys: one.keys, does: one.does, group: "List", run: on(one.run) })),
  ]);

  if (query.isPending) return <Waiting label={label} />;
  if (query.error && rows.length === 0) return <ProblemAlert problem={query.error} onRetry={query.refetch} />;
  if (rows.length === 0) return <div className="wb-panel">{empty}</div>;

  const isAllSelected = selected !== undefined && rows.every((row) => selected.has(rowId(row)));
  const selectAll = onSelect && (
    <Checkbox
      size="xs"
      aria-label={`Select all ${rows.length} that are read`}
      checked={isAllSelected}
      indeterminate={!isAllSelected && (selected?.size ?? 0) > 0}
      onChange={() => onSelect(isAllSelected ? new Set() : new Set(rows.map(rowId)))}
    />
  );
  const before = items[0]?.start ?? 0;
  const after = virtual.getTotalSize() - (items.at(-1)?.end ?? 0);
  const width = visible.reduce((sum, one) => sum + one.width, (onSelect ? 40 : 0) + (props.actions ? 116 : 0));
  return (
    <div className={`wb-panel ${classes.frame}`}>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a part that scrolls must be reached by the keyboard */}
      <div ref={scroller} className={classes.scroller} tabIndex={0} role="region" aria-label={label}>
        <table
          className={classes.table}
          style={isPhone ? undefined : { minWidth: width }}
          aria-rowcount={hasNextPage ? -1 : rows.length}
        >
          <DataTableHead
            columns={visible}
            sort={props.sort}
            onSort={props.onSort}
            selectAll={selectAll}
            hasActions={Boolean(props.actions)}
          />
          <tbody>
            {before > 0 && <tr aria-hidden="true" className={classes.space} style={{ height: before }} />}
            {items.map((item) => {
              const row = table.getRowModel().rows[item.index];
              if (!row) return null;
              return (
                <DataTableRow
                  key={row.id}
                  row={row.original}
                  index={item.index}
                  columns={visible}
                  measure={virtual.measureElement}
                  isFocused={item.index === at}
                  onFocus={() => setAt(item.index)}
                  isSelected={selected?.has(row.id)}
                  onToggle={onSelect && (() => toggle(row.original))}
                  name={props.rowName(row.original)}
                  actions={props.actions?.(row.original)}
                />
              );
            })}
            {after > 0 && <tr aria-hidden="true" className={classes.space} style={{ height: after }} />}
          </tbody>
        </table>
      </div>
      <div className={classes.foot} aria-live="polite">
        {query.error ? (
          <ProblemAlert problem={query.error} onRetry={fetchNextPage} />
        ) : (
          `${rows.length.toLocaleString("en")}${hasNextPage ? " read, more as you scroll" : rows.length === 1 ? " row" : " rows"}`
        )}
      </div>
    </div>
  );
};

const Waiting = ({ label }: { label: string }) => (
  <div className={`wb-panel ${classes.waiting}`} role="status">
    <Loader size="sm" />
    <span>Reading {label.toLowerCase()}…</span>
  </div>
);

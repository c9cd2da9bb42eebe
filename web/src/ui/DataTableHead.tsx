import { type ReactNode } from "react";
import classes from "./DataTable.module.css";
import { type Column, nextSort } from "./table-columns";

interface HeadProps<T> {
  columns: readonly Column<T>[];
  sort?: string;
  onSort?: (sort: string) => void;
  selectAll: ReactNode;
  hasActions: boolean;
}

/** The headings of a DataTable, which stay in sight; those of columns with an order are buttons. */
export const DataTableHead = <T,>({ columns, sort = "", onSort, selectAll, hasActions }: HeadProps<T>) => (
  <>
    <colgroup className={classes.widths}>
      {selectAll && <col style={{ width: 40 }} />}
      {columns.map((one) => (
        <col key={one.id} style={one.grow ? undefined : { width: one.width }} />
      ))}
      {hasActions && <col style={{ width: 116 }} />}
    </colgroup>
    <thead>
      <tr>
        {selectAll && <th scope="col">{selectAll}</th>}
        {columns.map((one) => {
          const next = nextSort(one, sort);
          const order = one.sort?.ascending === sort ? "ascending" : one.sort?.descending === sort ? "descending" : undefined;
          return (
            <th key={one.id} scope="col" data-align={one.align} aria-sort={order}>
              {next && onSort ? (
                <button type="button" className={classes.sort} onClick={() => onSort(next)}>
                  {one.header}
                  <span aria-hidden="true">{order === "ascending" ? "↑" : order === "descending" ? "↓" : ""}</span>
                </button>
              ) : (
                one.header
              )}
            </th>
          );
        })}
        {hasActions && (
          <th scope="col" className={classes.actionsHead}>
            <span className="wb-only-read">Actions</span>
          </th>
        )}
      </tr>
    </thead>
  </>
);

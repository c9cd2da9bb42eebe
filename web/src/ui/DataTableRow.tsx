import { Checkbox } from "@mantine/core";
import { type ReactNode, useCallback } from "react";
import classes from "./DataTable.module.css";
import type { Column } from "./table-columns";

interface RowProps<T> {
  row: T;
  index: number;
  columns: readonly Column<T>[];
  measure: (element: HTMLTableRowElement | null) => void;
  isFocused: boolean;
  onFocus: () => void;
  isSelected: boolean | undefined;
  onToggle: (() => void) | undefined;
  name: string;
  actions: ReactNode;
}

/** A row of a DataTable; a card on a phone. */
export const DataTableRow = <T,>({
  row,
  index,
  columns,
  measure,
  isFocused,
  onFocus,
  isSelected,
  onToggle,
  name,
  actions,
}: RowProps<T>) => {
  const place = useCallback(
    (element: HTMLTableRowElement | null) => {
      measure(element);
      // The one that j and k came to has the focus, unless something within it has it.
      if (element && isFocused && !element.contains(document.activeElement)) element.focus({ preventScroll: true });
    },
    [measure, isFocused],
  );
  return (
    <tr
      ref={place}
      data-index={index}
      aria-rowindex={index + 1}
      aria-selected={onToggle ? Boolean(isSelected) : undefined}
      className={classes.row}
      data-focused={isFocused}
      tabIndex={-1}
      onFocus={onFocus}
    >
      {onToggle && (
        <td className={classes.tick}>
          <Checkbox size="xs" checked={Boolean(isSelected)} onChange={onToggle} aria-label={`Select ${name}`} />
        </td>
      )}
      {columns.map((one) => (
        <td key={one.id} data-align={one.align} data-phone={one.phone ?? "line"} data-header={one.header}>
          {one.cell(row)}
        </td>
      ))}
      {actions !== undefined && <td className={classes.actions}>{actions}</td>}
    </tr>
  );
};

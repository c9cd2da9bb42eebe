import { Table } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./PlainTable.module.css";

export interface PlainColumn<T> {
  header: string;
  align?: "right";
  cell: (row: T) => ReactNode;
}

interface PlainTableProps<T> {
  label: string;
  rows: readonly T[];
  rowId: (row: T) => string;
  columns: readonly PlainColumn<T>[];
}

/** A short table that is there as a whole. For anything that may grow long there is DataTable. */
export const PlainTable = <T,>({ label, rows, rowId, columns }: PlainTableProps<T>) => (
  // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a part that scrolls must be reached by the keyboard
  <div className={classes.scrolls} role="region" aria-label={label} tabIndex={0}>
    <Table fz="sm" verticalSpacing={5} horizontalSpacing="sm">
      <Table.Thead>
        <Table.Tr>
          {columns.map((one) => (
            <Table.Th key={one.header} ta={one.align} fz="xs" c="dimmed" fw={600} scope="col">
              {one.header}
            </Table.Th>
          ))}
        </Table.Tr>
      </Table.Thead>
      <Table.Tbody>
        {rows.map((row) => (
          <Table.Tr key={rowId(row)}>
            {columns.map((one) => (
              <Table.Td key={one.header} ta={one.align}>
                {one.cell(row)}
              </Table.Td>
            ))}
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  </div>
);

import { Button, Group, Modal } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import type { listQuery } from "@/api/query";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar } from "@/ui/FilterBar";
import type { IconName } from "@/ui/icons";
import type { Column } from "@/ui/table-columns";
import classes from "./job-editor.module.css";

interface ChoiceDialogProps<T> {
  title: string;
  /** “Devices”: what is listed. */
  label: string;
  /** How many are called: `(2) => "2 devices"`. */
  counted: (number: number) => string;
  icon: IconName;
  placeholder: string;
  query: (q: string) => ReturnType<typeof listQuery<T>>;
  columns: readonly Column<T>[];
  rowId: (row: T) => string;
  rowName: (row: T) => string;
  /** Further filters beside the search. */
  filters?: ReactNode;
  /** What to do where there is none at all. */
  whenEmpty: ReactNode;
  onChoose: (rows: T[]) => void;
  onClose: () => void;
}

/** Some of a long list: searched, paged, ticked. What was ticked stays so while one searches on. */
export const ChoiceDialog = <T,>(props: ChoiceDialogProps<T>) => {
  const { title, label, counted, icon, placeholder, query, columns, rowId, rowName, filters, whenEmpty, onChoose, onClose } =
    props;
  const [q, setQ] = useState("");
  const [chosen, setChosen] = useState<ReadonlyMap<string, T>>(new Map());
  const found = useInfiniteQuery({ ...query(q), placeholderData: keepPreviousData });
  const select = (ids: ReadonlySet<string>): void => {
    const rows = found.data?.pages.flatMap((page) => page.items) ?? [];
    const known = new Map([...chosen, ...rows.map((row) => [rowId(row), row] as const)]);
    setChosen(new Map([...ids].flatMap((id) => (known.has(id) ? [[id, known.get(id) as T] as const] : []))));
  };
  return (
    <Modal opened onClose={onClose} title={title} size="52rem" closeButtonProps={{ "aria-label": "Close" }}>
      <div className={classes.choice}>
        <FilterBar q={q} onSearch={setQ} placeholder={placeholder}>
          {filters}
        </FilterBar>
        <DataTable
          label={label}
          query={found}
          columns={columns}
          rowId={rowId}
          rowName={rowName}
          selected={new Set(chosen.keys())}
          onSelect={select}
          empty={
            q ? (
              <EmptyState icon="search" title="None has such a name.">
                Try fewer letters.
              </EmptyState>
            ) : (
              <EmptyState icon={icon} title="There is none yet.">
                {whenEmpty}
              </EmptyState>
            )
          }
        />
      </div>
      <Group justify="flex-end" gap="xs" mt="sm">
        <Button variant="default" onClick={onClose}>
          Cancel
        </Button>
        <Button
          disabled={chosen.size === 0}
          onClick={() => {
            onChoose([...chosen.values()]);
            onClose();
          }}
        >
          {chosen.size ? `Add ${counted(chosen.size)}` : "Add"}
        </Button>
      </Group>
    </Modal>
  );
};

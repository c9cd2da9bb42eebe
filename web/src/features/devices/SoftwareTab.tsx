import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { type Software, softwareQuery } from "@/api/devices";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar } from "@/ui/FilterBar";
import type { Column } from "@/ui/table-columns";

const COLUMNS: readonly Column<Software>[] = [
  { id: "name", header: "Software", width: 260, grow: true, fixed: true, phone: "title", cell: (one) => one.name },
  { id: "version", header: "Version", width: 240, grow: true, cell: (one) => one.version || "–" },
  { id: "source", header: "From", width: 110, cell: (one) => one.source },
];

interface SoftwareTabProps {
  deviceId: string;
  q: string;
  onSearch: (q: string) => void;
}

/** What is installed on a device, as its last inventory said. */
export const SoftwareTab = ({ deviceId, q, onSearch }: SoftwareTabProps) => {
  const software = useInfiniteQuery({ ...softwareQuery(deviceId, q || undefined), placeholderData: keepPreviousData });
  return (
    <>
      <FilterBar q={q} onSearch={onSearch} placeholder="Find software by its name" onClear={q ? () => onSearch("") : undefined} />
      <DataTable
        label="Software"
        query={software}
        columns={COLUMNS}
        rowId={(one) => `${one.source} ${one.name} ${one.version}`}
        rowName={(one) => one.name}
        empty={
          q ? (
            <EmptyState icon="search" title="Nothing is called like that." />
          ) : (
            <EmptyState icon="assembly" title="Nothing is known of its software yet.">
              The agent tells it with its inventory.
            </EmptyState>
          )
        }
      />
    </>
  );
};

import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { type LedgerQuery, ledgerQuery } from "@/api/ledger";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { LEDGER_COLUMNS, linkOf } from "./ledger-columns";

const COLUMNS = ["scheduled_for_at", "job_name", "state", "sentence", "flags"];

/** Past and coming occurrences one by one, in the order of time. */
export const AgendaView = ({ query }: { query: Omit<LedgerQuery, "sort"> }) => {
  const navigate = useNavigate();
  const entries = useInfiniteQuery({ ...ledgerQuery({ ...query, sort: "time" }), placeholderData: keepPreviousData });
  return (
    <DataTable
      label="Agenda"
      query={entries}
      columns={LEDGER_COLUMNS}
      shown={COLUMNS}
      rowId={(one) => one.id}
      rowName={(one) => one.job_name}
      empty={
        <EmptyState icon="calendar" title="Nothing ran or is to run in this time.">
          Look at another time, or clear the filters.
        </EmptyState>
      }
      onOpen={(one) => void navigate({ to: linkOf(one) })}
    />
  );
};

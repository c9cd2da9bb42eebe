import { Button, Loader } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { recapQuery, type RecapRow } from "@/api/runs";
import { EmptyState } from "@/ui/EmptyState";
import { PlainTable, type PlainColumn } from "@/ui/PlainTable";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { StateBadge } from "@/ui/StateBadge";
import { COUNTERS, tone } from "./recap";
import classes from "./run.module.css";

interface RecapTableProps {
  runId: number;
  isOver: boolean;
  onChoose: (targetId: number) => void;
}

/** Ansible's recap of a run: each device with its counters, and all of them together. */
export const RecapTable = ({ runId, isOver, onChoose }: RecapTableProps) => {
  const recap = useInfiniteQuery({ ...recapQuery(runId), refetchInterval: isOver ? false : 5_000 });
  const rows = recap.data?.pages.flatMap((page) => page.items) ?? [];
  const whole = recap.data?.pages[0];
  if (recap.isPending)
    return (
      <div className="wb-panel" role="status" style={{ padding: "2rem", textAlign: "center" }}>
        <Loader size="sm" /> Reading the recap…
      </div>
    );
  if (recap.error && rows.length === 0) return <ProblemAlert problem={recap.error} onRetry={() => void recap.refetch()} />;
  if (!whole || whole.devices_told === 0)
    return (
      <div className="wb-panel">
        <EmptyState icon="group" title="No playbook has told anything yet.">
          Ansible counts tasks as they end on each device; the counters appear here as it does.
        </EmptyState>
      </div>
    );
  return (
    <div className={`wb-panel ${classes.recap}`}>
      <PlainTable<RecapRow>
        label="Recap of the run"
        rows={rows}
        rowId={(row) => String(row.target_id)}
        columns={columns(onChoose)}
      />
      <div className={classes.recapFoot}>
        <strong>
          {whole.devices_told.toLocaleString("en")} {whole.devices_told === 1 ? "device" : "devices"}
        </strong>
        {COUNTERS.map((one) => (
          <span key={one} data-tone={tone(one, whole.total[one])}>
            {one} {whole.total[one].toLocaleString("en")}
          </span>
        ))}
        {recap.hasNextPage && (
          <Button variant="default" size="xs" loading={recap.isFetchingNextPage} onClick={() => void recap.fetchNextPage()}>
            More devices
          </Button>
        )}
      </div>
    </div>
  );
};

const columns = (onChoose: (targetId: number) => void): readonly PlainColumn<RecapRow>[] => [
  {
    header: "Device",
    cell: (row) => (
      <Button variant="subtle" size="compact-sm" onClick={() => onChoose(row.target_id)}>
        {row.hostname}
      </Button>
    ),
  },
  { header: "State", cell: (row) => <StateBadge state={row.state} /> },
  ...COUNTERS.map((one): PlainColumn<RecapRow> => ({
    header: one,
    align: "right",
    cell: (row) => (row.recap ? <span data-tone={tone(one, row.recap[one])}>{row.recap[one].toLocaleString("en")}</span> : "–"),
  })),
];

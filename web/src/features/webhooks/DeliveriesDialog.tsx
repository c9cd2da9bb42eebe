import { Modal } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { deliveriesQuery, type Delivery, type Webhook } from "@/api/webhooks";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { Instant } from "@/ui/Instant";
import type { Column } from "@/ui/table-columns";
import { FieldProblems } from "./FieldProblems";
import { Outcome } from "./Outcome";
import { reasonInWords } from "./webhook-words";

const COLUMNS: readonly Column<Delivery>[] = [
  { id: "at", header: "When", width: 190, fixed: true, phone: "title", cell: (one) => <Instant at={one.at} /> },
  { id: "outcome", header: "What became of it", width: 180, cell: (one) => <Outcome outcome={one.outcome} /> },
  {
    id: "why",
    header: "Why",
    width: 220,
    grow: true,
    cell: (one) => (
      <>
        {one.reason && one.problems.length === 0 && reasonInWords(one.reason)}
        <FieldProblems problems={one.problems} />
      </>
    ),
  },
  {
    id: "run",
    header: "Run",
    width: 90,
    cell: (one) =>
      one.run_id === null ? (
        "–"
      ) : (
        <AppLink to={paths.workflowRun(one.run_id)} style={{ textDecoration: "underline" }}>
          Its run
        </AppLink>
      ),
  },
  { id: "source", header: "From", width: 120, cell: (one) => one.source_address ?? "–" },
  { id: "body", header: "Body", width: 160, grow: true, cell: (one) => <Clamp text={one.body} none="–" /> },
];

/** They make no live event. */
const LOOK_MILLISECONDS = 5_000;

/** What came last to a webhook, newest first. */
export const DeliveriesDialog = ({ one, onClose }: { one: Webhook; onClose: () => void }) => {
  const query = useInfiniteQuery({ ...deliveriesQuery(one.id), staleTime: 0, refetchInterval: LOOK_MILLISECONDS });
  return (
    <Modal
      opened
      size="min(72rem, 96vw)"
      onClose={onClose}
      title={`Last deliveries to “${one.name}”`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <div style={{ display: "flex", flexDirection: "column", height: "min(34rem, 70vh)" }}>
        <DataTable
          label="Deliveries"
          query={query}
          columns={COLUMNS}
          rowId={(row) => String(row.id)}
          rowName={(row) => `Delivery ${row.id}`}
          empty={
            <EmptyState icon="webhook" title="Nothing has come yet.">
              The newest hundred that had a proof are kept, and the newest twenty that had none.
            </EmptyState>
          }
        />
      </div>
    </Modal>
  );
};

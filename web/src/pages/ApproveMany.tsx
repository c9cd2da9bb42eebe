import { Loader, Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { waitingQuery } from "@/api/approvals";
import { type AddressSource, waitingAddressesQuery } from "@/api/onboarding";
import { DecideManyDialog } from "@/features/approvals/DecideManyDialog";
import { EmptyState } from "@/ui/EmptyState";
import { ProblemAlert } from "@/ui/ProblemAlert";

interface ApproveManyProps {
  source: AddressSource;
  /** Only these rows; without, all that wait among those that the list shows. */
  only: ReadonlySet<string> | null;
  onClose: () => void;
}

/** One yes to all that wait, each by its name. */
export const ApproveMany = ({ source, only, onClose }: ApproveManyProps) => {
  const rows = useQuery(waitingAddressesQuery(source));
  const requests = useQuery(waitingQuery(rows.data?.[0]?.site_id ?? null));
  const chosen = useMemo(() => {
    const wanted = new Set((rows.data ?? []).filter((one) => !only || only.has(String(one.id))).map((one) => one.approval_id));
    return requests.data?.filter((one) => wanted.has(one.id));
  }, [rows.data, requests.data, only]);
  const error = rows.error ?? requests.error;
  if (chosen?.length) return <DecideManyDialog decision="approve" chosen={chosen} onClose={onClose} onDone={onClose} />;
  const isRead = chosen !== undefined || rows.data?.length === 0;
  return (
    <Modal opened onClose={onClose} title="Approve machines" closeButtonProps={{ "aria-label": "Close" }}>
      {error ? (
        <ProblemAlert problem={error} onRetry={() => void rows.refetch()} />
      ) : isRead ? (
        <EmptyState icon="approval" title="None of them waits any more." />
      ) : (
        <Loader size="sm" aria-label="Reading the requests" />
      )}
    </Modal>
  );
};

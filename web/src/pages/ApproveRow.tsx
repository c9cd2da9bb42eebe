import { Loader, Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { approvalQuery, type Decision } from "@/api/approvals";
import { DecideDialog } from "@/features/approvals/DecideDialog";
import { EmptyState } from "@/ui/EmptyState";
import { ProblemAlert } from "@/ui/ProblemAlert";

interface ApproveRowProps {
  approvalId: string;
  decision: Decision;
  onClose: () => void;
}

/** Yes or no about the machine that an address brought, with the same questions as under Device Approvals. */
export const ApproveRow = ({ approvalId, decision, onClose }: ApproveRowProps) => {
  const found = useQuery(approvalQuery(approvalId));
  if (found.data?.state === "pending")
    return <DecideDialog decision={decision} approval={found.data} onClose={onClose} onDone={onClose} />;
  return (
    <Modal opened onClose={onClose} title="Device approval" closeButtonProps={{ "aria-label": "Close" }}>
      {found.error ? (
        <ProblemAlert problem={found.error} onRetry={() => void found.refetch()} />
      ) : found.data ? (
        <EmptyState icon="approval" title="Somebody has decided about it meanwhile.">
          It is {found.data.state}.
        </EmptyState>
      ) : (
        <Loader size="sm" aria-label="Reading the request" />
      )}
    </Modal>
  );
};

import { useCancelWorkflowRun } from "@/api/workflow-runs";
import type { WorkflowRun } from "@/api/workflow-types";
import { ConfirmDialog } from "@/ui/ConfirmDialog";

const number = (count: number): string => `${count.toLocaleString("en")} ${count === 1 ? "node" : "nodes"}`;

/** Asks before a run is stopped, and says what that hits. */
export const StopDialog = ({ run, onClose }: { run: WorkflowRun; onClose: () => void }) => {
  const stop = useCancelWorkflowRun();
  const works = run.nodes.filter((one) => one.state === "running" || one.state === "awaiting_approval").length;
  const waits = run.nodes.filter((one) => one.state === "pending").length;
  return (
    <ConfirmDialog
      opened
      danger
      title="Stop the run"
      confirm="Stop the run"
      busy={stop.isPending}
      problem={stop.error}
      onClose={onClose}
      onConfirm={() => stop.mutate(run, { onSuccess: onClose })}
    >
      This run of “{run.workflow_name}” is stopped: {number(works)} at work {works === 1 ? "is" : "are"} asked to stop, on their
      devices too, and {number(waits)} that {waits === 1 ? "has" : "have"} not begun will not.
    </ConfirmDialog>
  );
};

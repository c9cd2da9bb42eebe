import type { Job } from "@/api/jobs";
import { useDeleteJob, useToggleJob } from "@/api/jobs";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { PauseDialog } from "./PauseDialog";

export interface Asked {
  command: "pause" | "delete";
  job: Job;
}

interface JobCommandsProps {
  asked: Asked | null;
  onClose: () => void;
  /** The job is gone: for a page that is about it alone. */
  onDeleted?: () => void;
}

/** The dialog of a command on one job that asks before it acts. */
export const JobCommands = ({ asked, onClose, onDeleted }: JobCommandsProps) => {
  const toggle = useToggleJob("form");
  const remove = useDeleteJob("form");
  if (!asked) return null;
  const { command, job } = asked;
  const close = (): void => {
    toggle.reset();
    remove.reset();
    onClose();
  };
  if (command === "pause")
    return (
      <PauseDialog
        title="Pause the job"
        busy={toggle.isPending}
        problem={toggle.error}
        onClose={close}
        onPause={(pause) => toggle.mutate({ job, enabled: false, ...pause }, { onSuccess: close })}
      >
        “{job.name}” opens no occurrence until it is resumed.
      </PauseDialog>
    );
  const deleted = (): void => {
    close();
    onDeleted?.();
  };
  return (
    <ConfirmDialog
      opened
      danger
      title="Delete the job"
      confirm="Delete job"
      busy={remove.isPending}
      problem={remove.error}
      onClose={close}
      onConfirm={() => remove.mutate(job, { onSuccess: deleted })}
    >
      “{job.name}” is deleted for good, with its history. What it runs now is stopped first
      {job.waiting_count ? `, and ${job.waiting_count.toLocaleString("en")} waiting devices are withdrawn` : ""}.
    </ConfirmDialog>
  );
};

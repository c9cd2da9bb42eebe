import { Button, Group, Modal, Stack } from "@mantine/core";
import type { JobReply } from "@/api/jobs";
import type { ApiProblem } from "@/api/problem";
import { Instant } from "@/ui/Instant";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { ChangeList } from "./ChangeList";
import type { Change } from "./changes";
import classes from "./job-editor.module.css";

interface SaveDialogProps {
  job: JobReply;
  changes: readonly Change[];
  /** The new schedule in words; null where it is not known. */
  scheduleText: string | null;
  busy: boolean;
  problem: ApiProblem | null;
  onSave: () => void;
  onClose: () => void;
}

/** What a save changes, before it is done: the job is at work. */
export const SaveDialog = ({ job, changes, scheduleText, busy, problem, onSave, onClose }: SaveDialogProps) => {
  const isNewSchedule = changes.some((one) => one.field.startsWith("schedule"));
  return (
    <Modal opened onClose={onClose} title={`Save “${job.name}”`} size="46rem" closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onSave();
        }}
      >
        <Stack gap="sm">
          <ChangeList changes={changes} sides={[`Revision ${job.revision}`, `Revision ${job.revision + 1}`]} />
          {isNewSchedule && scheduleText && (
            <p className={classes.about}>
              {job.schedule_text && (
                <>
                  Until now: {job.schedule_text}
                  <br />
                </>
              )}
              From now on: {scheduleText}
            </p>
          )}
          <p className={classes.about}>
            <WhenItApplies job={job} isNewSchedule={isNewSchedule} />
          </p>
          <ProblemAlert problem={problem} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Go on editing
            </Button>
            <Button type="submit" loading={busy} data-autofocus>
              Save {changes.length === 1 ? "1 change" : `${changes.length} changes`}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

const WhenItApplies = ({ job, isNewSchedule }: { job: JobReply; isNewSchedule: boolean }) => {
  if (!job.enabled) return <>The job is paused: this applies once it is resumed.</>;
  return (
    <>
      This applies from the next occurrence
      {job.next_due_at && !isNewSchedule && (
        <>
          , <Instant at={job.next_due_at} />
        </>
      )}
      . What runs now goes on as it was started.
    </>
  );
};

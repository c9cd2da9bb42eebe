import { Button, Group, Modal, Stack } from "@mantine/core";
import type { JobReply } from "@/api/jobs";
import { Instant } from "@/ui/Instant";
import { ChangeList } from "./ChangeList";
import type { Change } from "./changes";
import classes from "./job-editor.module.css";

interface ConflictDialogProps {
  /** As somebody else saved it. */
  job: JobReply;
  theirs: readonly Change[];
  /** What both changed, each to something else. */
  clashes: readonly Change[];
  onTakeTheirs: () => void;
  onKeepMine: () => void;
  onClose: () => void;
}

/** Somebody else saved the job while it was being edited: what they changed, and the two ways out. Nothing is lost without a choice. */
export const ConflictDialog = ({ job, theirs, clashes, onTakeTheirs, onKeepMine, onClose }: ConflictDialogProps) => (
  <Modal
    opened
    onClose={onClose}
    title="Somebody else saved it in the meantime"
    size="46rem"
    closeButtonProps={{ "aria-label": "Close" }}
  >
    <Stack gap="sm">
      <p className={classes.about}>
        {job.updated_by ?? "Somebody"} saved revision {job.revision} <Instant at={job.updated_at} />. Your changes are still here,
        and not saved.
      </p>
      <h3 className={classes.subtitle}>What they changed</h3>
      <ChangeList changes={theirs} />
      {clashes.length > 0 && (
        <>
          <h3 className={classes.subtitle}>What you both changed</h3>
          <ChangeList changes={clashes} sides={["Theirs", "Yours"]} />
        </>
      )}
      <Group justify="flex-end" gap="xs">
        <Button variant="default" onClick={onClose}>
          Decide later
        </Button>
        <Button variant="default" color="red" onClick={onTakeTheirs}>
          Discard my changes
        </Button>
        <Button onClick={onKeepMine} data-autofocus>
          {clashes.length ? "Keep both, mine where we differ" : "Keep both"}
        </Button>
      </Group>
      <p className={classes.about}>Keeping both saves nothing yet: you see the outcome in the form first.</p>
    </Stack>
  </Modal>
);

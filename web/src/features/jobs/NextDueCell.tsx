import type { Job } from "@/api/jobs";
import { Instant } from "@/ui/Instant";
import classes from "./jobs.module.css";

/** When a job starts next, or why it will not. */
export const NextDueCell = ({ job }: { job: Job }) => (
  <span className={classes.due}>
    {job.next_due_at && <Instant at={job.next_due_at} show="stacked" />}
    {job.will_not_fire ? (
      <span className={classes.why} data-is-over={job.state === "completed"} title={job.will_not_fire.sentence}>
        {job.will_not_fire.sentence}
      </span>
    ) : (
      !job.next_due_at && <span>–</span>
    )}
  </span>
);

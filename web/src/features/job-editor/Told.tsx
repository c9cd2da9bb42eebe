import { useQuery } from "@tanstack/react-query";
import { type JobRule, rulesOfJobQuery } from "@/api/job-editor";
import { asProblem } from "@/api/problem";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Icon } from "@/ui/icons";
import { ProblemAlert } from "@/ui/ProblemAlert";
import classes from "./job-editor.module.css";

const EVENTS: Readonly<Record<JobRule["events"][number], string>> = {
  missed: "missed",
  skipped: "skipped",
  not_started: "not started in time",
  slower_than_usual: "slower than usual",
  failed: "failed",
  first_failure: "failed for the first time",
  failures_in_a_row: "failed several times in a row",
  recovered: "well again",
  brake_tripped: "stopped by its brake",
  waiting_expired: "devices did not come back in time",
};

const of = (rule: JobRule): string =>
  rule.job_id !== null ? "of this job" : rule.site_id !== null ? "of a site" : "of all jobs";

/** Who is told of the job, by which rules: its own, those of its sites, those of all jobs. They are no part of the job. */
export const Told = ({ jobId }: { jobId: number }) => {
  const rules = useQuery(rulesOfJobQuery(jobId));
  return (
    <section className={`wb-panel ${classes.section}`} aria-labelledby="title-told">
      <h2 className={classes.title} id="title-told">
        Notifications
      </h2>
      {rules.error && <ProblemAlert problem={asProblem(rules.error)} onRetry={() => void rules.refetch()} />}
      {rules.data?.items.length === 0 && <p className={classes.about}>Nobody is told when it fails.</p>}
      {rules.data && rules.data.items.length > 0 && (
        <ul className={classes.leftOut}>
          {rules.data.items.map((one) => (
            <li key={one.id}>
              {one.channels.map((channel) => channel.name ?? "a channel that you do not see").join(", ")}:{" "}
              {one.events.map((event) => EVENTS[event]).join(", ")}{" "}
              <span className={classes.dim}>
                ({of(one)}
                {one.enabled ? "" : ", off"})
              </span>
            </li>
          ))}
        </ul>
      )}
      <AppLink to={paths.notifications({ job_id: jobId })} className={classes.withIcon}>
        <Icon name="notification" size={14} />
        Rules and channels
      </AppLink>
    </section>
  );
};

import { Tooltip } from "@mantine/core";
import type { Job } from "@/api/jobs";
import { paths } from "@/lib/paths";
import { duration } from "@/lib/time";
import { AppLink } from "@/ui/AppLink";
import { Icon, type IconName } from "@/ui/icons";
import { StateBadge } from "@/ui/StateBadge";
import classes from "./jobs.module.css";

const Mark = ({ icon, word, sentence, tone }: { icon: IconName; word: string; sentence: string; tone: string }) => (
  <Tooltip label={sentence}>
    {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- the sentence must open by focus as well as by hover */}
    <span className={classes.mark} data-tone={tone} tabIndex={0} aria-label={`${word}: ${sentence}`} role="note">
      <Icon name={icon} size={12} />
      {word}
    </span>
  </Tooltip>
);

/** A job's name, and beside it whatever is not as it should be: drift, missed instants, a state other than active. */
export const JobNameCell = ({ job }: { job: Job }) => (
  <span className={classes.name}>
    <AppLink to={paths.job(job.id)} className={classes.link} title={job.description || undefined}>
      {job.job_kind === "onboarding" && (
        <span className={classes.kind} title="Looks for machines and brings them under management">
          <Icon name="onboarding" size={14} />
          <span className="wb-only-read">Onboarding: </span>
        </span>
      )}
      {job.name}
    </AppLink>
    {job.state !== "active" && <StateBadge state={job.state} detail={job.state_reason} />}
    {job.missed_count > 0 && (
      <AppLink
        to={paths.ledger({ job_id: job.id, state: "missed" })}
        className={classes.mark}
        data-tone="bad"
        title={`Due instants that nobody ran in the last ${duration(job.missed_span_seconds)}`}
      >
        <Icon name="missed" size={12} />
        {job.missed_count} missed
      </AppLink>
    )}
    {job.drift && <Mark icon="due" word="drift" sentence={job.drift} tone="warn" />}
  </span>
);

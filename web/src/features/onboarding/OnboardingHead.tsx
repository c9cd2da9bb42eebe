import { Select } from "@mantine/core";
import type { ReactNode } from "react";
import type { JobReply } from "@/api/jobs";
import type { Occurrence } from "@/api/runs";
import { kindInWords } from "@/lib/kinds";
import { occurrenceState, stateMark } from "@/lib/states";
import { short } from "@/lib/time";
import { useNow } from "@/lib/use-now";
import { useZone } from "@/lib/zone";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import classes from "./onboarding.module.css";

interface OnboardingHeadProps {
  job: JobReply;
  one: Occurrence;
  /** How long it takes. */
  elapsed: ReactNode;
  onChoose: (occurrenceId: string) => void;
  children: ReactNode;
}

/** What came of a look at the addresses of a scope: how it ended, when and by whom it was begun, and which look it is. */
export const OnboardingHead = ({ job, one, elapsed, onChoose, children }: OnboardingHeadProps) => (
  <section className={`wb-panel ${classes.runHead}`} aria-label="The run">
    <div className={classes.outcome}>
      <StateBadge state={occurrenceState(one)} detail={one.detail} />
      {one.detail && <span>{one.detail}</span>}
      {elapsed}
    </div>
    {children}
    <div className={classes.facts}>
      <span>
        {one.kind === "schedule" ? "Due" : "Started"} <Instant at={one.scheduled_for_at} />
      </span>
      <span>
        <Icon name={one.started_by_name ? "person" : "due"} size={13} />{" "}
        {kindInWords(one.kind, one.started_by_name, one.origin_occurrence_id !== null)}
      </span>
      {one.start_reason && <span>{one.start_reason}</span>}
      <span>revision {one.job_revision}</span>
      <OccurrenceChoice job={job} one={one} onChoose={onChoose} />
    </div>
  </section>
);

/** Which of the last looks is shown. */
const OccurrenceChoice = ({ job, one, onChoose }: Pick<OnboardingHeadProps, "job" | "one" | "onChoose">) => {
  const zone = useZone();
  const now = useNow();
  const known = job.recent_outcomes.some((other) => other.id === one.id) ? job.recent_outcomes : [one, ...job.recent_outcomes];
  if (known.length < 2) return null;
  return (
    <Select
      size="xs"
      w={250}
      ml="auto"
      aria-label="Which run is shown"
      data={known.map((other, at) => ({
        value: other.id,
        label: `${short(other.scheduled_for_at, zone, now)} · ${stateMark(occurrenceState(other)).word}${at === 0 ? " (latest)" : ""}`,
      }))}
      value={one.id}
      allowDeselect={false}
      onChange={(id) => id !== null && onChoose(id)}
    />
  );
};

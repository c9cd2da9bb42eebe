import { useInfiniteQuery } from "@tanstack/react-query";
import { addressesCountedAs } from "@/api/onboarding";
import { type Job, jobsQuery } from "@/api/jobs";
import { paths } from "@/lib/paths";
import { occurrenceState } from "@/lib/states";
import { AppLink } from "@/ui/AppLink";
import { CountsBar } from "@/ui/CountsBar";
import { Instant } from "@/ui/Instant";
import { type PlainColumn, PlainTable } from "@/ui/PlainTable";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { StateBadge } from "@/ui/StateBadge";
import { TitledPanel } from "@/ui/TitledPanel";
import classes from "./sites.module.css";

const SHOWN = 8;

/** The jobs that look for machines at this site, and what came of it. */
export const OnboardingPanel = ({ siteId }: { siteId: number }) => {
  const jobs = useInfiniteQuery(jobsQuery({ kind: "onboarding", site_id: siteId, sort: "-last_run" }));
  const items = jobs.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <TitledPanel
      title="Onboarding"
      flush={items.length > 0}
      actions={
        items.length > SHOWN && <AppLink to={paths.jobs({ kind: "onboarding", site_id: siteId })}>All of these jobs</AppLink>
      }
    >
      {jobs.error && <ProblemAlert problem={jobs.error} onRetry={() => void jobs.refetch()} />}
      {jobs.data && items.length === 0 && "No job looks for machines here yet. “Onboard devices” makes one."}
      {items.length > 0 && (
        <PlainTable label="Onboarding jobs" rows={items.slice(0, SHOWN)} rowId={(one) => String(one.id)} columns={COLUMNS} />
      )}
    </TitledPanel>
  );
};

const COLUMNS: readonly PlainColumn<Job>[] = [
  {
    header: "Job",
    cell: (one) => (
      <span className={classes.job}>
        <AppLink to={paths.job(one.id)}>{one.name}</AppLink>
        <small>{one.schedule_text}</small>
      </span>
    ),
  },
  {
    header: "Last look",
    cell: ({ id, last_occurrence: last }) =>
      last ? (
        <span className={classes.look}>
          <AppLink to={paths.jobRun(id, last.id)}>
            <StateBadge state={occurrenceState(last)} />
          </AppLink>
          <Instant at={last.scheduled_for_at} show="relative" />
          <CountsBar size="small" counts={last.counts} linkOf={(state) => paths.jobRun(id, last.id, addressesCountedAs(state))} />
        </span>
      ) : (
        "not yet"
      ),
  },
];

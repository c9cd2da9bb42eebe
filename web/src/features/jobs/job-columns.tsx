import { Badge } from "@mantine/core";
import type { Job } from "@/api/jobs";
import { addressesCountedAs } from "@/api/onboarding";
import { paths } from "@/lib/paths";
import { occurrenceState } from "@/lib/states";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { CountsBar } from "@/ui/CountsBar";
import { Instant } from "@/ui/Instant";
import { OutcomeStrip } from "@/ui/OutcomeStrip";
import { StateBadge } from "@/ui/StateBadge";
import type { Column } from "@/ui/table-columns";
import { JobNameCell } from "./JobNameCell";
import { NextDueCell } from "./NextDueCell";
import { addressesInWords, targetsInWords } from "./targets-in-words";

const LastResult = ({ job }: { job: Job }) => {
  const last = job.last_occurrence;
  if (!last) return <span>–</span>;
  return (
    <span style={{ display: "inline-flex", gap: "0.5rem", alignItems: "center", flexWrap: "wrap" }}>
      <AppLink to={paths.jobRun(job.id, last.id)}>
        <StateBadge state={occurrenceState(last)} />
      </AppLink>
      {Object.keys(last.counts).length > 0 && (
        <CountsBar size="small" counts={last.counts} linkOf={(state) => paths.jobRun(job.id, last.id, queryOf(job, state))} />
      )}
    </span>
  );
};

const queryOf = (job: Job, state: string) => (job.job_kind === "onboarding" ? addressesCountedAs(state) : { state });

/** The columns of the list of jobs, by the fields that saved views name. */
export const JOB_COLUMNS: readonly Column<Job>[] = [
  {
    id: "name",
    header: "Job",
    width: 188,
    grow: true,
    fixed: true,
    phone: "title",
    sort: { ascending: "name", descending: "-name" },
    cell: (job) => <JobNameCell job={job} />,
  },
  {
    id: "schedule_text",
    header: "Schedule",
    width: 170,
    grow: true,
    cell: (job) => <Clamp text={job.schedule_text} />,
  },
  {
    id: "next_due_at",
    header: "Next due",
    width: 158,
    sort: { ascending: "next_due", descending: "-next_due" },
    cell: (job) => <NextDueCell job={job} />,
  },
  {
    id: "recent_outcomes",
    header: "Last ten",
    width: 96,
    cell: (job) => <OutcomeStrip outcomes={job.recent_outcomes} linkOf={(id) => paths.jobRun(job.id, id)} />,
  },
  {
    id: "last_occurrence",
    header: "Last result",
    width: 184,
    sort: { ascending: "last_run", descending: "-last_run" },
    cell: (job) => <LastResult job={job} />,
  },
  {
    id: "target_summary",
    header: "Targets",
    width: 150,
    cell: (job) => <Clamp text={job.job_kind === "onboarding" ? addressesInWords(job) : targetsInWords(job.target_summary)} />,
  },
  {
    id: "waiting_count",
    header: "Waiting",
    width: 74,
    align: "right",
    cell: (job) =>
      job.waiting_count ? (
        <AppLink to={paths.jobRun(job.id, undefined, { state: "waiting_online" })}>
          {job.waiting_count.toLocaleString("en")}
        </AppLink>
      ) : (
        "–"
      ),
  },
  { id: "created_by", header: "Owner", width: 92, phone: "hidden", cell: (job) => job.created_by ?? "–" },
  {
    id: "updated_at",
    header: "Updated",
    width: 92,
    phone: "hidden",
    sort: { ascending: "updated", descending: "-updated" },
    cell: (job) => <Instant at={job.updated_at} show="relative" />,
  },
  {
    id: "state",
    header: "State",
    width: 110,
    extra: true,
    sort: { ascending: "state", descending: "-state" },
    cell: (job) => <StateBadge state={job.state} detail={job.state_reason} />,
  },
  {
    id: "tags",
    header: "Tags",
    width: 140,
    extra: true,
    cell: (job) =>
      job.tags?.map((tag) => (
        <Badge key={tag} size="xs" variant="default" mr={4}>
          {tag}
        </Badge>
      )),
  },
  {
    id: "description",
    header: "Description",
    width: 220,
    extra: true,
    phone: "hidden",
    cell: (job) => <Clamp text={job.description || null} />,
  },
  {
    id: "last_run_at",
    header: "Last run",
    width: 190,
    extra: true,
    sort: { ascending: "last_run", descending: "-last_run" },
    cell: (job) => <Instant at={job.last_run_at} none="never" />,
  },
  {
    id: "missed_count",
    header: "Missed, 7 days",
    width: 110,
    align: "right",
    extra: true,
    cell: (job) => job.missed_count.toLocaleString("en"),
  },
  { id: "updated_by", header: "Updated by", width: 110, extra: true, phone: "hidden", cell: (job) => job.updated_by ?? "–" },
  {
    id: "created_at",
    header: "Created",
    width: 190,
    extra: true,
    phone: "hidden",
    cell: (job) => <Instant at={job.created_at} />,
  },
  {
    id: "revision",
    header: "Revision",
    width: 80,
    align: "right",
    extra: true,
    phone: "hidden",
    sort: undefined,
    cell: (job) => job.revision,
  },
];

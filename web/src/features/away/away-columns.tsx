import type { JobAway } from "@/api/ledger";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Instant } from "@/ui/Instant";
import type { Column } from "@/ui/table-columns";
import classes from "./away.module.css";
import { PROPOSALS } from "./outage-words";

const number = (count: number): string => (count ? count.toLocaleString("en") : "–");

const POLICIES: Readonly<Record<JobAway["catch_up"], string>> = {
  skip: "Makes up for nothing",
  latest: "Makes up for the latest",
  all: "Makes up for all",
  hold: "Asks a person",
};

/** What an outage did to each job. */
export const AWAY_COLUMNS: readonly Column<JobAway>[] = [
  {
    id: "name",
    header: "Job",
    width: 200,
    grow: true,
    fixed: true,
    phone: "title",
    cell: (job) => (
      <AppLink to={paths.job(job.job_id)} className={classes.job} title={job.name}>
        {job.name}
      </AppLink>
    ),
  },
  {
    id: "held",
    header: "Held",
    width: 70,
    align: "right",
    cell: (job) => <span data-strong={job.held > 0}>{number(job.held)}</span>,
  },
  {
    id: "missed",
    header: "Missed",
    width: 80,
    align: "right",
    cell: (job) => (
      <AppLink to={paths.ledger({ job_id: job.job_id, show: "missed", range: "all" })} title="These in the ledger">
        {job.is_missed_capped ? "≥" : ""}
        {number(job.missed)}
      </AppLink>
    ),
  },
  { id: "late", header: "Ran late", width: 80, align: "right", cell: (job) => number(job.late) },
  { id: "decided", header: "Decided", width: 80, align: "right", phone: "hidden", cell: (job) => number(job.decided) },
  { id: "proposed", header: "Proposed", width: 170, cell: (job) => PROPOSALS[job.proposed] },
  { id: "catch_up", header: "Its policy", width: 180, phone: "hidden", cell: (job) => POLICIES[job.catch_up] },
  {
    id: "newest_at",
    header: "From … to",
    width: 250,
    cell: (job) => (
      <span className={classes.span}>
        <Instant at={job.oldest_at} show="absolute" /> … <Instant at={job.newest_at} show="absolute" />
      </span>
    ),
  },
  {
    id: "has_run_since",
    header: "Since then",
    width: 130,
    cell: (job) => (job.is_running ? "Runs now" : job.has_run_since ? "Has run" : "Has not run"),
  },
];

import type { Hit } from "@/api/search";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import type { Column } from "@/ui/table-columns";
import { partsOf } from "./snippet";
import classes from "./search.module.css";

/** To the device's row of that run, with the output in which it was found. */
export const linkOf = (hit: Hit): string =>
  paths.jobRun(hit.job_id, hit.occurrence_id, { target: hit.target_id, execution: hit.execution_id, stream: hit.stream });

const Snippet = ({ hit }: { hit: Hit }) => {
  const parts = partsOf(hit);
  if (!parts)
    return (
      <AppLink to={linkOf(hit)} className={classes.snippet}>
        The words stand apart. Open the output.
      </AppLink>
    );
  return (
    <AppLink to={linkOf(hit)} className={classes.snippet}>
      {hit.stream === "stderr" && <span className={classes.stream}>errors: </span>}
      <code>
        {parts.before}
        <mark>{parts.hit}</mark>
        {parts.after}
      </code>
    </AppLink>
  );
};

export const HIT_COLUMNS: readonly Column<Hit>[] = [
  { id: "text", header: "Found", width: 380, grow: true, fixed: true, phone: "bare", cell: (hit) => <Snippet hit={hit} /> },
  {
    id: "hostname",
    header: "Device",
    width: 170,
    phone: "title",
    cell: (hit) => (
      <span className={classes.stack}>
        <AppLink to={paths.device(hit.device_id)}>{hit.hostname}</AppLink>
        <span className={classes.dim}>{hit.site_name}</span>
      </span>
    ),
  },
  {
    id: "job_name",
    header: "Job",
    width: 200,
    cell: (hit) =>
      hit.job_name === null ? (
        <span className={classes.dim}>deleted</span>
      ) : (
        <AppLink to={paths.jobHistory(hit.job_id)}>{hit.job_name}</AppLink>
      ),
  },
  {
    id: "state",
    header: "State",
    width: 140,
    cell: (hit) => (
      <span className={classes.stack}>
        <StateBadge state={hit.state} />
        {hit.exit_code !== null && <span className={classes.dim}>exit {hit.exit_code}</span>}
      </span>
    ),
  },
  {
    id: "finished_at",
    header: "Ended",
    width: 170,
    cell: (hit) => <Instant at={hit.finished_at} show="stacked" />,
  },
];

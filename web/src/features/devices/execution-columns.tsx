import type { Execution } from "@/api/devices";
import { executionState } from "@/api/runs";
import { paths } from "@/lib/paths";
import { whyOf } from "@/lib/reasons";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { Duration } from "@/ui/Duration";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import type { Column } from "@/ui/table-columns";
import classes from "./devices.module.css";

/** Where the output of an execution is read: the run of its occurrence, or the runs of the workflow that it was a node of. */
export const outputPath = (one: Execution): string =>
  one.workflow_id ? paths.workflowRuns(one.workflow_id) : paths.jobRun(one.job_id, one.occurrence_id);

/** What became of it, and below that what the checks of its job found on the device. */
const Outcome = ({ one }: { one: Execution }) => (
  <span className={classes.outcome}>
    <StateBadge state={executionState(one)} detail={whyOf(one)} />
    {one.verdict && <StateBadge state={one.verdict} plain />}
  </span>
);

/** The columns of what ran on a device. */
export const EXECUTION_COLUMNS: readonly Column<Execution>[] = [
  {
    id: "job_name",
    header: "Job",
    width: 200,
    grow: true,
    fixed: true,
    phone: "title",
    cell: (one) => (
      <AppLink to={outputPath(one)} className={classes.link}>
        {one.job_name}
      </AppLink>
    ),
  },
  {
    id: "component_name",
    header: "Component",
    width: 150,
    cell: (one) => <Clamp text={one.is_recheck ? `${one.component_name ?? ""} (check again)` : one.component_name} />,
  },
  {
    id: "outcome",
    header: "Outcome",
    width: 150,
    cell: (one) => <Outcome one={one} />,
  },
  { id: "exit_code", header: "Exit", width: 60, align: "right", cell: (one) => one.exit_code ?? "–" },
  { id: "attempt", header: "Attempt", width: 74, align: "right", phone: "hidden", cell: (one) => one.attempt },
  {
    id: "started_at",
    header: "Started",
    width: 150,
    cell: (one) => <Instant at={one.started_at} show="stacked" none="not yet" />,
  },
  {
    id: "duration",
    header: "Took",
    width: 100,
    align: "right",
    cell: (one) => (one.started_at ? <Duration since={one.started_at} until={one.finished_at} /> : "–"),
  },
  {
    id: "last_line",
    header: "Last line",
    width: 220,
    grow: true,
    cell: (one) => (
      <span className={classes.line} title={one.last_line ?? undefined}>
        {one.last_line ?? whyOf(one) ?? "–"}
      </span>
    ),
  },
];

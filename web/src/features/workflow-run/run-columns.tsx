import type { WorkflowRunBrief } from "@/api/workflow-types";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { Duration } from "@/ui/Duration";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import type { Column } from "@/ui/table-columns";
import { sourceInWords, whyNode } from "./words";
import classes from "./workflow-run.module.css";

const NAME: Column<WorkflowRunBrief> = {
  id: "workflow",
  header: "Workflow",
  width: 180,
  grow: true,
  cell: (one) => (
    <AppLink to={paths.workflowRuns(one.workflow_id)} className={classes.link}>
      {one.workflow_name}
    </AppLink>
  ),
};

/** Of one workflow. */
export const RUN_COLUMNS: readonly Column<WorkflowRunBrief>[] = [
  {
    id: "id",
    header: "Run",
    width: 142,
    fixed: true,
    phone: "title",
    cell: (one) => (
      <AppLink to={paths.workflowRun(one.id)} className={classes.link}>
        Run {one.id}
      </AppLink>
    ),
  },
  { id: "state", header: "State", width: 122, cell: (one) => <StateBadge state={one.state} /> },
  { id: "why", header: "Why", width: 220, grow: true, cell: (one) => <Clamp text={whyNode(one)} /> },
  {
    id: "started_at",
    header: "Started",
    width: 140,
    cell: (one) => <Instant at={one.started_at ?? one.created_at} show="stacked" />,
  },
  {
    id: "duration",
    header: "Took",
    width: 112,
    align: "right",
    cell: (one) => (one.started_at ? <Duration since={one.started_at} until={one.finished_at} /> : "–"),
  },
  {
    id: "source",
    header: "How it began",
    width: 210,
    grow: true,
    cell: (one) => (
      <span className={classes.how}>
        {sourceInWords(one)}
        {one.job_id !== null && (
          <AppLink to={paths.job(one.job_id)} className={classes.link}>
            {one.job_name ?? `Job ${one.job_id}`}
          </AppLink>
        )}
        {one.parent && (
          <AppLink to={paths.workflowRun(one.parent.run_id)} className={classes.link}>
            part of run {one.parent.run_id}
          </AppLink>
        )}
      </span>
    ),
  },
  { id: "revision", header: "Revision", width: 80, align: "right", cell: (one) => (one.is_trial ? "trial" : one.revision) },
];

/** Of all of them. */
export const ALL_RUN_COLUMNS: readonly Column<WorkflowRunBrief>[] = [...RUN_COLUMNS.slice(0, 1), NAME, ...RUN_COLUMNS.slice(1)];

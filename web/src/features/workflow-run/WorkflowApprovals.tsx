import { useQuery } from "@tanstack/react-query";
import { workflowApprovalsQuery } from "@/api/workflow-runs";
import type { OpenApproval } from "@/api/workflow-types";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { EmptyState } from "@/ui/EmptyState";
import { Instant } from "@/ui/Instant";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Reading } from "@/ui/Reading";
import { ApprovalBox, REFUSED } from "./ApprovalBox";
import classes from "./workflow-run.module.css";

/** Where workflows wait for a person, with yes and no in place. */
export const WorkflowApprovals = () => {
  const { data, error, refetch } = useQuery(workflowApprovalsQuery());
  if (error && !data) return <ProblemAlert problem={error} onRetry={() => void refetch()} />;
  if (!data) return <Reading what="approvals" />;
  if (data.items.length === 0)
    return (
      <div className="wb-panel">
        <EmptyState icon="approval" title="No workflow waits.">
          A workflow that comes to an approval asks here for a yes or a no.
        </EmptyState>
      </div>
    );
  return (
    <ul className={classes.approvals} aria-label="Workflows that wait for approval">
      {data.items.map((one) => (
        <li key={`${one.run_id} ${one.node_id}`} className="wb-panel">
          <Asked one={one} />
        </li>
      ))}
    </ul>
  );
};

const Asked = ({ one }: { one: OpenApproval }) => (
  <>
    <div className={classes.asked}>
      <AppLink to={paths.workflowRun(one.run_id, { node: one.node_id })} className={classes.link}>
        <strong>{one.workflow_name}</strong>
      </AppLink>
      <span>{one.node_id}</span>
      <span className={classes.dim}>
        asked <Instant at={one.started_at} show="relative" />
        {one.job_name && ` · job ${one.job_name}`}
      </span>
    </div>
    <ApprovalBox
      runId={one.run_id}
      nodeId={one.node_id}
      name={`${one.workflow_name}, ${one.node_id}`}
      message={one.message}
      deadline={one.deadline_at}
      may={{ allowed: one.may_decide, reason: one.may_decide ? null : REFUSED }}
    />
  </>
);

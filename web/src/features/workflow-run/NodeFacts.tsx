import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { can } from "@/api/can";
import { workflowApprovalsQuery } from "@/api/workflow-runs";
import type { DocumentNode, RunNode, WorkflowRun } from "@/api/workflow-types";
import { paths } from "@/lib/paths";
import { duration } from "@/lib/time";
import { AppLink } from "@/ui/AppLink";
import { CountsBar } from "@/ui/CountsBar";
import { Duration } from "@/ui/Duration";
import { type Fact, FactList } from "@/ui/FactList";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { ApprovalBox, REFUSED } from "./ApprovalBox";
import { nodeKind, whyNode } from "./words";
import classes from "./workflow-run.module.css";

interface NodeFactsProps {
  run: WorkflowRun;
  step: DocumentNode;
  node: RunNode;
  onAgain: (() => void) | null;
}

/** What became of a node, when, and why. */
export const NodeFacts = ({ run, step, node, onAgain }: NodeFactsProps) => {
  const why = whyNode(node);
  const { counts } = node;
  return (
    <div className={classes.stack}>
      {node.state === "awaiting_approval" && <Approval run={run} step={step} node={node} />}
      {why && <p className={classes.why}>{why}</p>}
      {Object.keys(counts).length > 0 && <CountsBar counts={counts} />}
      <FactList facts={factsOf(run, step, node)} />
      {onAgain && (
        <div>
          <Button variant="default" leftSection={<Icon name="again" size={14} />} onClick={onAgain}>
            Run again from here…
          </Button>
        </div>
      )}
    </div>
  );
};

/** The question as this run asks it, and whether it is for who looks at it. */
const Approval = ({ run, step, node }: Pick<NodeFactsProps, "run" | "step" | "node">) => {
  const { data } = useQuery(workflowApprovalsQuery());
  const asked = data?.items.find((one) => one.run_id === run.id && one.node_id === step.id);
  const stop = can(run, "cancel"); // it takes what deciding does
  const allowed = asked?.may_decide ?? stop.allowed;
  return (
    <ApprovalBox
      runId={run.id}
      nodeId={step.id}
      name={step.name || step.id}
      message={asked?.message ?? null}
      deadline={node.deadline_at}
      may={{ allowed, reason: allowed ? null : (stop.reason ?? REFUSED) }}
    />
  );
};

const factsOf = (run: WorkflowRun, step: DocumentNode, node: RunNode): Fact[] => {
  const facts: (Fact | null)[] = [
    { label: "Kind", value: nodeKind(step.type).word },
    { label: "Id", value: <code>{step.id}</code> },
    node.kept
      ? {
          label: "Kept",
          value: run.origin_run_id ? (
            <>
              from <AppLink to={paths.workflowRun(run.origin_run_id, { node: step.id })}>run {run.origin_run_id}</AppLink>
            </>
          ) : (
            "from an earlier run"
          ),
        }
      : null,
    { label: "Started", value: node.started_at && <Instant at={node.started_at} /> },
    node.finished_at ? { label: "Ended", value: <Instant at={node.finished_at} /> } : null,
    node.started_at ? { label: "Took", value: <Duration since={node.started_at} until={node.finished_at} /> } : null,
    node.starts_at && !node.finished_at ? { label: "Goes on", value: <Instant at={node.starts_at} /> } : null,
    node.deadline_at && !node.finished_at ? { label: "Has until", value: <Instant at={node.deadline_at} /> } : null,
    node.attempt > 1 || step.retries > 0 ? { label: "Try", value: `${node.attempt} of ${step.retries + 1}` } : null,
    step.time_limit_seconds ? { label: "Time limit", value: duration(step.time_limit_seconds) } : null,
    node.child_run_id
      ? {
          label: "Workflow",
          value: (
            <AppLink to={paths.workflowRun(node.child_run_id)} className={classes.link}>
              Open its run {node.child_run_id}
            </AppLink>
          ),
        }
      : null,
  ];
  return facts.filter((one) => one !== null);
};

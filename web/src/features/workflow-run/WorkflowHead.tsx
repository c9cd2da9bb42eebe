import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { can, type Can } from "@/api/can";
import { deviceQuery } from "@/api/devices";
import type { WorkflowRun } from "@/api/workflow-types";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { CountsBar } from "@/ui/CountsBar";
import { Duration } from "@/ui/Duration";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { PageHeader } from "@/ui/PageHeader";
import { StateBadge } from "@/ui/StateBadge";
import { TimeLeft } from "./TimeLeft";
import { sentenceOf, sourceInWords } from "./words";
import classes from "./workflow-run.module.css";

interface WorkflowHeadProps {
  run: WorkflowRun;
  onStop: () => void;
  onAgain: () => void;
}

/** A run at a glance: what became of it, how long, and where it comes from. */
export const WorkflowHead = ({ run, onStop, onAgain }: WorkflowHeadProps) => {
  const isOpen = run.finished_at === null && ["queued", "running", "cancelling"].includes(run.state);
  const counts: Record<string, number> = {};
  for (const one of run.nodes) counts[one.state] = (counts[one.state] ?? 0) + 1;
  return (
    <>
      <PageHeader
        title={run.workflow_name}
        beside={<StateBadge state={run.state} detail={run.detail} />}
        actions={
          <>
            {isOpen ? (
              <Action may={can(run, "cancel")} icon="stop" word="Stop…" isDanger onClick={onStop} />
            ) : (
              <Action may={can(run, "resume")} icon="again" word="Run again…" onClick={onAgain} />
            )}
          </>
        }
      >
        Run {run.id} of <AppLink to={paths.assembly(run.workflow_id)}>the workflow</AppLink>, revision{" "}
        <AppLink to={paths.assembly(run.workflow_id, { tab: "revisions" })}>{run.revision}</AppLink>
        {" · "}
        <AppLink to={paths.workflowRuns(run.workflow_id)} className={classes.link}>
          All its runs
        </AppLink>
      </PageHeader>
      <section className={`wb-panel ${classes.head}`} aria-label="The run">
        <div className={classes.outcome} aria-live="polite">
          <strong>{sentenceOf(run)}</strong>
          <span className={classes.elapsed}>
            {run.started_at && <Duration since={run.started_at} until={run.finished_at} />}
            {isOpen && run.deadline_at && (
              <span className={classes.dim}>
                <TimeLeft until={run.deadline_at} over="nothing left" /> of its time limit
              </span>
            )}
          </span>
        </div>
        <CountsBar counts={counts} />
        <Lineage run={run} />
      </section>
    </>
  );
};

interface ActionProps {
  may: Can;
  icon: "stop" | "again";
  word: string;
  isDanger?: boolean;
  onClick: () => void;
}

const Action = ({ may, icon, word, isDanger, onClick }: ActionProps) => (
  <span title={may.reason ?? undefined}>
    <Button
      variant="default"
      c={isDanger && may.allowed ? "var(--wb-bad)" : undefined}
      disabled={!may.allowed}
      leftSection={<Icon name={icon} size={14} />}
      onClick={onClick}
    >
      {word}
    </Button>
  </span>
);

/** Where the run comes from, and what came of it. */
const Lineage = ({ run }: { run: WorkflowRun }) => {
  const children = run.nodes.filter((one) => one.child_run_id !== null);
  const parameters = Object.entries(run.parameters);
  return (
    <div className={classes.facts}>
      <span>
        {run.started_at ? "Started" : "Asked for"} <Instant at={run.started_at ?? run.created_at} />
      </span>
      <span>
        <Icon name={run.started_by ? "person" : "trigger"} size={13} /> {sourceInWords(run)}
      </span>
      {run.job_id !== null && (
        <span>
          <Icon name="job" size={13} />
          <AppLink to={paths.job(run.job_id)} className={classes.link}>
            {run.job_name ?? `Job ${run.job_id}`}
          </AppLink>
        </span>
      )}
      {run.parent && (
        <AppLink to={paths.workflowRun(run.parent.run_id, { node: run.parent.node_id })} className={classes.link}>
          part of run {run.parent.run_id}
        </AppLink>
      )}
      {run.origin_run_id !== null && (
        <AppLink to={paths.workflowRun(run.origin_run_id)} className={classes.link}>
          goes on from run {run.origin_run_id}
        </AppLink>
      )}
      {children.map((one) => (
        <AppLink key={one.node_id} to={paths.workflowRun(one.child_run_id ?? 0)} className={classes.link}>
          run {one.child_run_id} is a part of it
        </AppLink>
      ))}
      {run.only_device_id && <OnlyDevice id={run.only_device_id} />}
      {parameters.map(([name, value]) => (
        <span key={name} className={classes.parameter}>
          <code>
            {name} = {typeof value === "string" ? value : JSON.stringify(value)}
          </code>
        </span>
      ))}
    </div>
  );
};

const OnlyDevice = ({ id }: { id: string }) => {
  const device = useQuery(deviceQuery(id));
  return (
    <span>
      <Icon name="device" size={13} /> on{" "}
      <AppLink to={paths.device(id)} className={classes.link}>
        {device.data?.hostname ?? "one device"}
      </AppLink>{" "}
      alone
    </span>
  );
};

import { SegmentedControl } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { can } from "@/api/can";
import { asProblem } from "@/api/problem";
import { isRunOpen } from "@/api/workflow-merge";
import { workflowRunQuery } from "@/api/workflow-runs";
import type { WorkflowRun } from "@/api/workflow-types";
import { AgainDialog } from "@/features/workflow-run/AgainDialog";
import { NodePanel } from "@/features/workflow-run/NodePanel";
import { NO_NODE, NO_ROW, RUN_VIEW, shownNode, type View, VIEWS } from "@/features/workflow-run/run-view";
import { RunViews } from "@/features/workflow-run/RunViews";
import { StopDialog } from "@/features/workflow-run/StopDialog";
import { useLiveRun } from "@/features/workflow-run/use-live-run";
import { WorkflowHead } from "@/features/workflow-run/WorkflowHead";
import classes from "@/features/workflow-run/workflow-run.module.css";
import { useKeys } from "@/lib/keys";
import { paths } from "@/lib/paths";
import { useIdParam } from "@/lib/use-id-param";
import { useIsPhone } from "@/lib/use-is-phone";
import { useUrlState } from "@/lib/url-state";
import { NodeDevices } from "@/pages/NodeDevices";
import { AppLink } from "@/ui/AppLink";
import { EmptyState } from "@/ui/EmptyState";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Reading } from "@/ui/Reading";

/** `/workflow-runs/:id`: a run of a workflow, live while it runs. */
const WorkflowRunPage = () => {
  const runId = useIdParam("runId");
  const run = useQuery({ ...workflowRunQuery(runId), enabled: runId > 0 });
  if (run.data) return <Loaded key={runId} run={run.data} />;
  const problem = run.error ? asProblem(run.error) : null;
  if (runId === 0 || problem?.status === 404)
    return (
      <>
        <PageHeader title="No such run" />
        <EmptyState
          icon="workflow"
          title="This run does not exist, or you do not see it."
          action={<AppLink to={paths.allWorkflowRuns()}>All runs of workflows</AppLink>}
        >
          It may be older than what is kept.
        </EmptyState>
      </>
    );
  return (
    <>
      <PageHeader title="Run of a workflow" />
      {problem ? <ProblemAlert problem={problem} onRetry={() => void run.refetch()} /> : <Reading what="the run" />}
    </>
  );
};

const LABELS: Readonly<Record<View, string>> = { graph: "Graph", timeline: "Timeline", list: "List" };

const Loaded = ({ run }: { run: WorkflowRun }) => {
  const [state, setState] = useUrlState(RUN_VIEW);
  const [asked, setAsked] = useState<{ what: "stop" } | { what: "again"; from: string | null } | null>(null);
  const live = useLiveRun(run.id, state.state.length > 0);
  const navigate = useNavigate();
  const isPhone = useIsPhone();
  const view = state.view ?? (isPhone ? "list" : "graph");
  const shown = shownNode(run, state.node);
  const step = run.definition.nodes.find((one) => one.id === shown);
  const node = run.nodes.find((one) => one.node_id === shown);
  const close = (): void => setState(NO_NODE);
  const choose = (id: string): void => setState({ ...NO_NODE, node: id, tab: state.tab });
  const stopAsking = (): void => setAsked(null);
  useKeys(state.node === "" ? [] : [{ keys: "Escape", does: "Close the node", group: "Run", run: close }]);
  const mayAgain = !isRunOpen(run.state) && can(run, "resume").allowed && node !== undefined && node.state !== "skipped";
  return (
    <>
      <WorkflowHead run={run} onStop={() => setAsked({ what: "stop" })} onAgain={() => setAsked({ what: "again", from: null })} />
      <div className={classes.bar}>
        <SegmentedControl
          size="xs"
          aria-label="How the run is shown"
          value={view}
          onChange={(chosen) => setState({ view: VIEWS.find((one) => one === chosen) ?? null })}
          data={VIEWS.map((one) => ({ value: one, label: LABELS[one] }))}
        />
        {view === "graph" && (
          <div className={classes.legend} aria-hidden="true">
            <span>
              <i data-look="taken" /> way taken
            </span>
            <span>
              <i data-look="left" /> not taken
            </span>
            <span>
              <i data-look="data" /> devices and results
            </span>
          </div>
        )}
      </div>
      <div className={classes.body} data-panes={node ? 2 : 1}>
        <div className={`wb-panel ${classes.view}`} data-view={view}>
          <RunViews run={run} view={view} shown={shown} onChoose={choose} />
        </div>
        {node && step && (
          <div className={classes.side}>
            <NodePanel
              key={step.id}
              run={run}
              step={step}
              node={node}
              tab={state.tab}
              port={state.port}
              onTab={(tab) => setState({ node: step.id, tab, ...NO_ROW })}
              onPort={(port) => setState({ node: step.id, port })}
              onClose={state.node === "" ? null : close}
              onAgain={mayAgain ? () => setAsked({ what: "again", from: step.id }) : null}
              devices={<NodeDevices run={run} step={step} node={node} state={state} setState={setState} live={live} />}
            />
          </div>
        )}
      </div>
      {asked?.what === "stop" && <StopDialog run={run} onClose={stopAsking} />}
      {asked?.what === "again" && (
        <AgainDialog
          run={run}
          from={asked.from}
          onClose={stopAsking}
          onStarted={(started) => {
            stopAsking();
            void navigate({ to: paths.workflowRun(started.id) });
          }}
        />
      )}
    </>
  );
};

export default WorkflowRunPage;

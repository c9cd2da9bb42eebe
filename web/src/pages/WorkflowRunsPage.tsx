import { Button } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { assemblyQuery } from "@/api/assemblies";
import { workflowRunsQuery } from "@/api/workflow-runs";
import { WORKFLOW_STATES } from "@/api/workflow-types";
import { ALL_RUN_COLUMNS, RUN_COLUMNS } from "@/features/workflow-run/run-columns";
import { useLiveRuns } from "@/features/workflow-run/use-live-run";
import classes from "@/features/workflow-run/workflow-run.module.css";
import { paths } from "@/lib/paths";
import { oneOf } from "@/lib/search-params";
import { stateMark } from "@/lib/states";
import { useTextParam } from "@/lib/use-id-param";
import { useUrlState } from "@/lib/url-state";
import { RunWorkflowButton } from "@/pages/RunWorkflow";
import { AppLink } from "@/ui/AppLink";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterSelect } from "@/ui/FilterBar";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";

/** Automation > Workflow Runs, and `/assemblies/:id/runs`: the runs of all workflows or of one, newest first. */
const WorkflowRunsPage = () => {
  const id = useTextParam("assemblyId");
  return id === "" ? (
    <>
      <PageHeader title="Workflow Runs" />
      <Runs key="" workflowId={null} />
    </>
  ) : (
    <OfOne key={id} id={id} />
  );
};

const OfOne = ({ id }: { id: string }) => {
  const workflow = useQuery(assemblyQuery(id));
  return (
    <>
      <PageHeader
        title={`Runs of ${workflow.data?.name ?? "a workflow"}`}
        actions={workflow.data && <RunWorkflowButton workflow={workflow.data} />}
      >
        <AppLink to={paths.assembly(id)} className={classes.link}>
          The workflow
        </AppLink>
        {" · "}
        <AppLink to={paths.allWorkflowRuns()} className={classes.link}>
          Runs of all workflows
        </AppLink>
      </PageHeader>
      {workflow.error ? (
        <ProblemAlert problem={workflow.error} onRetry={() => void workflow.refetch()} />
      ) : (
        <Runs workflowId={id} />
      )}
    </>
  );
};

const FILTERS = { state: oneOf(WORKFLOW_STATES) };

const Runs = ({ workflowId }: { workflowId: string | null }) => {
  const [{ state }, setState] = useUrlState(FILTERS);
  const runs = useInfiniteQuery({ ...workflowRunsQuery({ workflowId, state }), placeholderData: keepPreviousData });
  const { fresh, show } = useLiveRuns(workflowId);
  const navigate = useNavigate();
  const options = WORKFLOW_STATES.map((value) => ({ value, label: stateMark(value).word }));
  const clear = (): void => setState({ state: null });
  return (
    <>
      <div className={classes.bar}>
        <FilterSelect label="Any state" value={state} options={options} onChange={(chosen) => setState({ state: chosen })} />
        {fresh > 0 && (
          <Button variant="subtle" onClick={show}>
            {fresh.toLocaleString("en")} {fresh === 1 ? "run has" : "runs have"} begun. Show {fresh === 1 ? "it" : "them"}.
          </Button>
        )}
      </div>
      <DataTable
        label="Runs of workflows"
        query={runs}
        columns={workflowId === null ? ALL_RUN_COLUMNS : RUN_COLUMNS}
        rowId={(one) => String(one.id)}
        rowName={(one) => `Run ${one.id}`}
        onOpen={(one) => void navigate({ to: paths.workflowRun(one.id) })}
        empty={state ? <NoneLikeThat onClear={clear} /> : <None isOfOne={workflowId !== null} />}
      />
    </>
  );
};

const NoneLikeThat = ({ onClear }: { onClear: () => void }) => (
  <EmptyState
    icon="search"
    title="No run is like that."
    action={
      <Button variant="default" onClick={onClear}>
        Clear filters
      </Button>
    }
  />
);

const None = ({ isOfOne }: { isOfOne: boolean }) => (
  <EmptyState
    icon="workflow"
    title={isOfOne ? "This workflow has not run yet." : "No workflow has run yet."}
    action={isOfOne ? null : <AppLink to={paths.assemblies()}>To the assemblies</AppLink>}
  >
    A workflow runs when somebody starts it, when a job of it is due, and when its webhook is called.
  </EmptyState>
);

export default WorkflowRunsPage;

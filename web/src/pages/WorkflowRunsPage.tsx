import { Button } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { assemblyQuery } from "@/api/assemblies";
import { WORKFLOW_STATES } from "@/api/workflow-types";
import { workflowRunsQuery } from "@/api/workflow-runs";
import { RUN_COLUMNS } from "@/features/workflow-run/run-columns";
import { useLiveRuns } from "@/features/workflow-run/use-live-run";
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
import classes from "@/features/workflow-run/workflow-run.module.css";

const FILTERS = { state: oneOf(WORKFLOW_STATES) };

/** `/assemblies/:id/runs`: the runs of a workflow, newest first. */
const WorkflowRunsPage = () => {
  const id = useTextParam("assemblyId");
  const [{ state }, setState] = useUrlState(FILTERS);
  const workflow = useQuery(assemblyQuery(id));
  const runs = useInfiniteQuery({ ...workflowRunsQuery(id, state ? [state] : []), placeholderData: keepPreviousData });
  const { fresh, show } = useLiveRuns(id);
  const navigate = useNavigate();
  const options = WORKFLOW_STATES.map((value) => ({ value, label: stateMark(value).word }));
  const name = workflow.data?.name ?? "Workflow";
  return (
    <>
      <PageHeader title={`Runs of ${name}`} actions={workflow.data && <RunWorkflowButton workflow={workflow.data} />}>
        <AppLink to={paths.assembly(id)} className={classes.link}>
          The workflow
        </AppLink>
      </PageHeader>
      {workflow.error && <ProblemAlert problem={workflow.error} onRetry={() => void workflow.refetch()} />}
      <div className={classes.bar}>
        <FilterSelect label="Any state" value={state} options={options} onChange={(chosen) => setState({ state: chosen })} />
        {fresh > 0 && (
          <Button variant="subtle" onClick={show}>
            {fresh.toLocaleString("en")} {fresh === 1 ? "run has" : "runs have"} begun. Show {fresh === 1 ? "it" : "them"}.
          </Button>
        )}
      </div>
      <DataTable
        label="Runs of the workflow"
        query={runs}
        columns={RUN_COLUMNS}
        rowId={(one) => String(one.id)}
        rowName={(one) => `Run ${one.id}`}
        onOpen={(one) => void navigate({ to: paths.workflowRun(one.id) })}
        empty={
          state ? (
            <EmptyState
              icon="search"
              title="No run is like that."
              action={
                <Button variant="default" onClick={() => setState({ state: null })}>
                  Clear filters
                </Button>
              }
            />
          ) : (
            <EmptyState icon="workflow" title="This workflow has not run yet.">
              It runs when somebody starts it, when a job of it is due, and when its webhook is called.
            </EmptyState>
          )
        }
      />
    </>
  );
};

export default WorkflowRunsPage;

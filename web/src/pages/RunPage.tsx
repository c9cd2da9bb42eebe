import { Button, Loader } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { jobQuery, useRunJob } from "@/api/jobs";
import { LATEST, occurrenceQuery } from "@/api/runs";
import { RUN_FILTERS } from "@/features/run/run-filters";
import { useFollowed } from "@/features/run/use-run";
import { useIdParam } from "@/lib/use-id-param";
import { useUrlState } from "@/lib/url-state";
import { JobFrame } from "@/pages/JobFrame";
import { OnboardingView } from "@/pages/OnboardingView";
import { RunView } from "@/pages/RunView";
import { WorkflowOccurrence } from "@/pages/WorkflowOccurrence";
import { EmptyState } from "@/ui/EmptyState";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";

/** A job > Current Run: the last run, live while it runs, or any other by `?occurrence=`. */
const RunPage = () => {
  const jobId = useIdParam("jobId");
  const [state, setState] = useUrlState(RUN_FILTERS);
  const which = state.occurrence || LATEST;
  const job = useQuery(jobQuery(jobId));
  const one = useQuery(occurrenceQuery(jobId, which));
  const run = useRunJob();
  useFollowed(jobId, one.data?.id ?? null);
  if (!job.data)
    return (
      <>
        <PageHeader title="Current Run" />
        {job.error ? <ProblemAlert problem={job.error} onRetry={() => void job.refetch()} /> : <Reading />}
      </>
    );
  if (one.data && job.data.job_kind === "onboarding") return <OnboardingView key={one.data.id} job={job.data} one={one.data} />;
  const workflow = one.data?.runs.find((run) => run.kind === "workflow");
  if (one.data && workflow) return <WorkflowOccurrence job={job.data} one={one.data} runId={workflow.id} />;
  if (one.data) return <RunView key={one.data.id} job={job.data} one={one.data} state={state} setState={setState} />;
  return (
    <JobFrame job={job.data} tab="run">
      {one.error ? (
        <ProblemAlert problem={one.error} onRetry={() => void one.refetch()} />
      ) : one.isPending ? (
        <Reading />
      ) : (
        <div className="wb-panel">
          <EmptyState
            icon="run"
            title="This job has not run yet."
            action={
              <Button variant="default" loading={run.isPending} onClick={() => run.mutate(job.data)}>
                Run it now
              </Button>
            }
          >
            {job.data.next_due_at
              ? "Its run is shown here, live, when it is due."
              : "Its run is shown here, live, once it starts."}
          </EmptyState>
        </div>
      )}
    </JobFrame>
  );
};

const Reading = () => (
  <div className="wb-panel" role="status" style={{ padding: "3rem", textAlign: "center" }}>
    <Loader size="sm" /> Reading the run…
  </div>
);

export default RunPage;

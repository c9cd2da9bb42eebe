import { Button, Loader } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { historyQuery } from "@/api/history";
import { jobQuery } from "@/api/jobs";
import { CompareView } from "@/features/history/CompareView";
import { HISTORY_FILTERS, isFiltered, NO_FILTER, queryOf } from "@/features/history/history-filters";
import { HistoryFilterBar } from "@/features/history/HistoryFilterBar";
import classes from "@/features/history/history.module.css";
import { CompareBar, HistoryList } from "@/features/history/HistoryList";
import { paths } from "@/lib/paths";
import { useIdParam } from "@/lib/use-id-param";
import { useUrlState } from "@/lib/url-state";
import { JobFrame } from "@/pages/JobFrame";
import { EmptyState } from "@/ui/EmptyState";
import { OutcomeStrip } from "@/ui/OutcomeStrip";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";

/** A job > Historical Runs: every occurrence by days, also those that did not run; two of them compared. */
const HistoryPage = () => {
  const jobId = useIdParam("jobId");
  const [state, setState] = useUrlState(HISTORY_FILTERS);
  const [chosen, setChosen] = useState<string[]>([]);
  const navigate = useNavigate();
  const job = useQuery(jobQuery(jobId));
  const history = useInfiniteQuery({ ...historyQuery(jobId, queryOf(state)), placeholderData: keepPreviousData });
  if (!job.data)
    return (
      <>
        <PageHeader title="Historical Runs" />
        {job.error ? (
          <ProblemAlert problem={job.error} onRetry={() => void job.refetch()} />
        ) : (
          <div className={`wb-panel ${classes.waiting}`} role="status">
            <Loader size="sm" /> Reading the job…
          </div>
        )}
      </>
    );
  const [first, second] = state.compare;
  if (first && second)
    return (
      <JobFrame job={job.data} tab="history">
        <CompareView jobId={jobId} ids={[first, second]} onBack={() => setState({ compare: [] })} />
      </JobFrame>
    );
  const empty = isFiltered(state) ? (
    <EmptyState
      icon="search"
      title="No run is like that."
      action={
        <Button variant="default" onClick={() => setState(NO_FILTER)}>
          Clear filters
        </Button>
      }
    >
      Loosen a filter, or clear them all.
    </EmptyState>
  ) : (
    <EmptyState icon="history" title="There is nothing in its history yet.">
      Each due instant of the job is kept here, also where it did not run, with the reason.
    </EmptyState>
  );
  return (
    <JobFrame job={job.data} tab="history">
      {job.data.recent_outcomes.length > 0 && (
        <div className={classes.strip}>
          <span>Last ten</span>
          <OutcomeStrip outcomes={job.data.recent_outcomes} linkOf={(id) => paths.jobRun(jobId, id)} />
        </div>
      )}
      <HistoryFilterBar state={state} onChange={setState} />
      <CompareBar chosen={chosen} onCompare={() => setState({ compare: chosen })} onClear={() => setChosen([])} />
      <HistoryList
        query={history}
        empty={empty}
        chosen={chosen}
        isOfWorkflow={job.data.components[0]?.kind === "workflow"}
        onChoose={setChosen}
        onOpen={(one) => void navigate({ to: paths.jobRun(jobId, one.id) })}
      />
    </JobFrame>
  );
};

export default HistoryPage;

import { Button } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { can } from "@/api/can";
import { type Job, jobsQuery, useRunJob, useToggleJob } from "@/api/jobs";
import { useMay } from "@/api/session";
import { useSites } from "@/api/sites";
import type { View } from "@/api/views";
import { BulkBar } from "@/features/jobs/BulkBar";
import { JOB_COLUMNS } from "@/features/jobs/job-columns";
import { type Asked, JobCommands } from "@/features/jobs/JobCommands";
import { JOB_FILTERS, JOB_KINDS, JOB_STATES, HEALTHS, queryOf } from "@/features/jobs/job-filters";
import { type JobCommand, JobRowActions } from "@/features/jobs/JobRowActions";
import { ViewsMenu } from "@/features/views/ViewsMenu";
import { paths } from "@/lib/paths";
import { readAll } from "@/lib/url-state";
import { useColumns } from "@/lib/use-columns";
import { useUrlState } from "@/lib/url-state";
import { AppLink } from "@/ui/AppLink";
import { ColumnChoice } from "@/ui/ColumnChoice";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar, FilterSelect } from "@/ui/FilterBar";
import { Icon } from "@/ui/icons";
import { PageHeader } from "@/ui/PageHeader";

/** Automation > Scheduled Jobs: every job that the caller sees, whether it is well, and what can be done without opening it. */
const JobsPage = () => {
  const [state, setState] = useUrlState(JOB_FILTERS);
  const [columns, setColumns] = useColumns("jobs", state.columns, (chosen) => setState({ columns: chosen }));
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [asked, setAsked] = useState<Asked | null>(null);
  const navigate = useNavigate();
  const sites = useSites();
  const create = useMay("jobs:write");
  const run = useRunJob();
  const toggle = useToggleJob();
  const query = queryOf(state);
  const jobs = useInfiniteQuery({ ...jobsQuery(query), placeholderData: keepPreviousData });
  const { sort = "name", ...filters } = query;
  const isFiltered = Object.values<unknown>(filters).some((one) => one !== undefined);
  const clear = (): void => setState(readAll(JOB_FILTERS, { sort: state.sort, columns: state.columns }));

  const command = (what: JobCommand, job: Job): void => {
    if (what === "run") run.mutate(job);
    else if (what === "resume") toggle.mutate({ job, enabled: true });
    else setAsked({ command: what, job });
  };
  const choose = (view: View | null): void => {
    const raw = Object.fromEntries(
      Object.entries(view?.query ?? {}).map(([name, value]) => [name, Array.isArray(value) ? value.map(String) : String(value)]),
    );
    setState({ ...readAll(JOB_FILTERS, raw), view: view?.id ?? null, columns: view?.columns ?? [] });
  };
  const newJob = create.allowed ? (
    <Button component={AppLink} to={paths.newJob()} leftSection={<Icon name="add" size={14} />}>
      New Job
    </Button>
  ) : null;
  const empty = isFiltered ? (
    <EmptyState
      icon="search"
      title="No job is like that."
      action={
        <Button variant="default" onClick={clear}>
          Clear filters
        </Button>
      }
    >
      Loosen a filter, or clear them all.
    </EmptyState>
  ) : (
    <EmptyState icon="job" title="There is no job yet." action={newJob}>
      A job runs scripts on devices, at times that you name. {create.allowed ? "Make the first one." : create.reason}
    </EmptyState>
  );
  return (
    <>
      <PageHeader title="Scheduled Jobs" actions={newJob} />
      <FilterBar
        q={state.q}
        onSearch={(q) => setState({ q })}
        placeholder="Find a job by its name"
        onClear={isFiltered ? clear : undefined}
        end={
          <>
            <ViewsMenu screen="jobs" current={state.view} query={{ ...query }} columns={[...columns]} onChoose={choose} />
            <ColumnChoice columns={JOB_COLUMNS} shown={columns} onChange={setColumns} />
          </>
        }
      >
        <FilterSelect label="Any health" value={state.health} options={HEALTHS} onChange={(health) => setState({ health })} />
        <FilterSelect
          label="Any state"
          value={state.state}
          options={JOB_STATES}
          onChange={(chosen) => setState({ state: chosen })}
        />
        <FilterSelect label="Any kind" value={state.kind} options={JOB_KINDS} onChange={(kind) => setState({ kind })} />
        <FilterSelect
          label="Any site"
          value={state.site_id === null ? null : String(state.site_id)}
          options={sites.map((one) => ({ value: String(one.id), label: one.name }))}
          onChange={(id) => setState({ site_id: id === null ? null : Number(id) })}
        />
      </FilterBar>
      <BulkBar jobIds={[...selected].map(Number)} onClear={() => setSelected(new Set())} />
      <DataTable
        label="Scheduled jobs"
        query={jobs}
        columns={JOB_COLUMNS}
        shown={columns}
        rowId={(job) => String(job.id)}
        rowName={(job) => job.name}
        empty={empty}
        sort={sort}
        onSort={(next) => setState({ sort: next as typeof state.sort })}
        selected={selected}
        onSelect={setSelected}
        onOpen={(job) => void navigate({ to: paths.job(job.id) })}
        rowKeys={[{ keys: "r", does: "Run the job now", run: (job) => can(job, "rerun").allowed && command("run", job) }]}
        actions={(job) => <JobRowActions job={job} mayCreate={create.reason} onCommand={command} />}
      />
      <JobCommands asked={asked} onClose={() => setAsked(null)} />
    </>
  );
};

export default JobsPage;

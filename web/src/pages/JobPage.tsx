import { Loader, Menu } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useRef } from "react";
import { exportAddress } from "@/api/job-editor";
import { jobQuery, type JobReply } from "@/api/jobs";
import { asProblem } from "@/api/problem";
import { EditJob } from "@/features/job-editor/EditJob";
import { Revisions } from "@/features/job-editor/Revisions";
import { JobFrame } from "@/pages/JobFrame";
import { paths } from "@/lib/paths";
import { useIdParam } from "@/lib/use-id-param";
import { oneOf, texts } from "@/lib/search-params";
import { useUrlState } from "@/lib/url-state";
import { AppLink } from "@/ui/AppLink";
import { EmptyState } from "@/ui/EmptyState";
import { Icon } from "@/ui/icons";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";

/** `/jobs/:id`: the job itself, to be looked at and changed. */
const JobPage = () => {
  const id = useIdParam("jobId");
  const job = useQuery({ ...jobQuery(id), enabled: id > 0 });
  if (job.data) return <Loaded key={id} job={job.data} />;
  const problem = job.error ? asProblem(job.error) : null;
  if (id === 0 || problem?.status === 404)
    return (
      <>
        <PageHeader title="No such job" />
        <EmptyState
          icon="job"
          title="This job does not exist, or you do not see it."
          action={<AppLink to={paths.jobs()}>All jobs</AppLink>}
        >
          It may have been deleted.
        </EmptyState>
      </>
    );
  return problem ? <ProblemAlert problem={problem} onRetry={() => void job.refetch()} /> : <Reading />;
};

const Reading = () => (
  <div role="status">
    <Loader size="sm" aria-hidden="true" /> Reading the job…
  </div>
);

const FIELDS = { panel: oneOf(["revisions"] as const), compare: texts() };

const Loaded = ({ job }: { job: JobReply }) => {
  const [{ panel, compare }, setState] = useUrlState(FIELDS);
  const isGone = useRef(false);
  return (
    <JobFrame
      job={job}
      tab="job"
      onDeleted={() => {
        isGone.current = true;
      }}
      menu={
        <>
          <Menu.Item leftSection={<Icon name="history" size={14} />} onClick={() => setState({ panel: "revisions" })}>
            Revisions…
          </Menu.Item>
          <Menu.Item
            component="a"
            href={exportAddress(job.id)}
            download={`${job.name.replaceAll(/[^\w-]+/g, "-")}.yaml`}
            leftSection={<Icon name="download" size={14} />}
          >
            Save as a file
          </Menu.Item>
        </>
      }
    >
      <EditJob job={job} isGone={isGone} />
      {panel === "revisions" && (
        <Revisions
          jobId={job.id}
          jobName={job.name}
          chosen={compare.map(Number)}
          onChoose={(chosen) => setState({ compare: chosen.map(String) })}
          onClose={() => setState({ panel: null, compare: [] })}
        />
      )}
    </JobFrame>
  );
};

export default JobPage;

import { Button } from "@mantine/core";
import type { JobReply } from "@/api/jobs";
import type { Occurrence } from "@/api/runs";
import { RunHead } from "@/features/run/RunHead";
import { paths } from "@/lib/paths";
import { JobFrame } from "@/pages/JobFrame";
import { AppLink } from "@/ui/AppLink";
import { EmptyState } from "@/ui/EmptyState";
import { Icon } from "@/ui/icons";

/** An occurrence of a job of a workflow: its nodes are shown by the run of the workflow. */
export const WorkflowOccurrence = ({ job, one, runId }: { job: JobReply; one: Occurrence; runId: number }) => (
  <JobFrame job={job} tab="run">
    <RunHead
      one={one}
      chosen={[]}
      linkOf={() => paths.workflowRun(runId)}
      verdictLinkOf={() => paths.workflowRun(runId)}
      originLink={one.origin_occurrence_id && paths.jobRun(job.id, one.origin_occurrence_id)}
    />
    <div className="wb-panel">
      <EmptyState
        icon="workflow"
        title="This job runs a workflow."
        action={
          <Button component={AppLink} to={paths.workflowRun(runId)} leftSection={<Icon name="workflow" size={14} />}>
            Open its run
          </Button>
        }
      >
        Its nodes, their devices and what they wrote are with the run of the workflow, live while it runs.
      </EmptyState>
    </div>
  </JobFrame>
);

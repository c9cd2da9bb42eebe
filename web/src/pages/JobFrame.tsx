import { useNavigate } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { type JobReply, useRunJob, useToggleJob } from "@/api/jobs";
import { useMay } from "@/api/session";
import { JobHeader, type JobHeaderCommand, type JobTab } from "@/features/job-header/JobHeader";
import { type Asked, JobCommands } from "@/features/jobs/JobCommands";
import { paths } from "@/lib/paths";

interface JobFrameProps {
  job: JobReply;
  tab: JobTab;
  actions?: ReactNode;
  menu?: ReactNode;
  /** Before the job's own page is left for the list, as the job is gone. */
  onDeleted?: () => void;
  children: ReactNode;
}

/** What the three pages of a job have in common: its head, and the dialogs of what is done from there. */
export const JobFrame = ({ job, tab, actions, menu, onDeleted, children }: JobFrameProps) => {
  const [asked, setAsked] = useState<Asked | null>(null);
  const navigate = useNavigate();
  const create = useMay("jobs:write");
  const run = useRunJob();
  const toggle = useToggleJob();
  const command = (what: JobHeaderCommand): void => {
    if (what === "run") run.mutate(job);
    else if (what === "resume") toggle.mutate({ job, enabled: true });
    else setAsked({ command: what, job });
  };
  const deleted = (): void => {
    onDeleted?.();
    void navigate({ to: paths.jobs() });
  };
  return (
    <>
      <JobHeader
        job={job}
        tab={tab}
        mayCreate={create.reason}
        busy={run.isPending || toggle.isPending}
        actions={actions}
        menu={menu}
        onCommand={command}
      />
      {children}
      <JobCommands asked={asked} onClose={() => setAsked(null)} onDeleted={deleted} />
    </>
  );
};

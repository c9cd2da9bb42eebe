import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { warningsOf } from "@/api/job-editor";
import { type JobReply, jobQuery } from "@/api/jobs";
import { asProblem } from "@/api/problem";
import { useMay } from "@/api/session";
import { copyOf, newDraft, newOnboardingDraft } from "@/features/job-editor/form";
import { ImportDialog } from "@/features/job-editor/ImportDialog";
import { NewJob } from "@/features/job-editor/NewJob";
import { notify } from "@/features/job-editor/notify";
import { paths } from "@/lib/paths";
import { oneOf, wholeNumber } from "@/lib/search-params";
import { browserZone } from "@/lib/time";
import { useUrlState } from "@/lib/url-state";
import { AppLink } from "@/ui/AppLink";
import { EmptyState } from "@/ui/EmptyState";
import { Icon } from "@/ui/icons";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";

const FIELDS = { from: wholeNumber(), kind: oneOf(["onboarding"] as const), site: wholeNumber() };

/** `/jobs/new`; with `from` a copy of another job; with `kind=onboarding` one that looks for machines, at the site of `site`. */
const NewJobPage = () => {
  const [{ from, kind, site }] = useUrlState(FIELDS);
  const may = useMay("jobs:write");
  const navigate = useNavigate();
  const [isImporting, setImporting] = useState(false);
  const saved = (job: JobReply): void => {
    for (const warning of warningsOf(job)) notify(warning);
    const starts = job.schedule.type === "immediately" && job.enabled;
    void navigate({ to: starts ? paths.jobRun(job.id) : paths.job(job.id) });
  };
  if (!may.allowed)
    return (
      <>
        <PageHeader title="New job" />
        <EmptyState icon="job" title="You may not make a job.">
          {may.reason}
        </EmptyState>
      </>
    );
  return (
    <>
      <PageHeader
        title={from !== null ? "Copy of a job" : kind === "onboarding" ? "Onboard devices" : "New job"}
        actions={
          <>
            {from === null && kind === null && (
              <Button
                variant="default"
                component={AppLink}
                to={paths.newJob({ kind: "onboarding" })}
                leftSection={<Icon name="onboarding" size={14} />}
              >
                Onboard devices instead
              </Button>
            )}
            <Button variant="default" leftSection={<Icon name="upload" size={14} />} onClick={() => setImporting(true)}>
              From a file…
            </Button>
          </>
        }
      >
        {kind === "onboarding" && from === null && "Looks for machines in a network and brings the agent onto them."}
      </PageHeader>
      {from === null ? (
        <Blank key={kind} isOnboarding={kind === "onboarding"} siteId={site} onSaved={saved} />
      ) : (
        <Copy key={from} from={from} onSaved={saved} />
      )}
      {isImporting && <ImportDialog onSaved={saved} onClose={() => setImporting(false)} />}
    </>
  );
};

interface BlankProps {
  isOnboarding: boolean;
  siteId: number | null;
  onSaved: (job: JobReply) => void;
}

const Blank = ({ isOnboarding, siteId, onSaved }: BlankProps) => {
  const [first] = useState(() => (isOnboarding ? newOnboardingDraft(browserZone(), siteId) : newDraft(browserZone())));
  return <NewJob first={first} onSaved={onSaved} />;
};

const Copy = ({ from, onSaved }: { from: number; onSaved: (job: JobReply) => void }) => {
  const job = useQuery(jobQuery(from));
  const copy = useMemo(() => (job.data ? copyOf(job.data) : null), [job.data]);
  if (job.error) return <ProblemAlert problem={asProblem(job.error)} onRetry={() => void job.refetch()} />;
  return copy && <NewJob first={copy.draft} lost={copy.secrets} onSaved={onSaved} />;
};

export default NewJobPage;

import { Modal } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Credential, credentialUsageQuery } from "@/api/credentials";
import { asProblem } from "@/api/problem";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Reading } from "@/ui/Reading";
import classes from "./credentials.module.css";

/** The jobs that sign in with a credential. */
export const UsageDialog = ({ one, onClose }: { one: Credential; onClose: () => void }) => (
  <Modal opened onClose={onClose} title={`Jobs that sign in with ${one.name}`} closeButtonProps={{ "aria-label": "Close" }}>
    <Uses credentialId={one.id} />
  </Modal>
);

export const Uses = ({ credentialId }: { credentialId: number }) => {
  const usage = useQuery(credentialUsageQuery(credentialId));
  if (usage.error) return <ProblemAlert problem={asProblem(usage.error)} />;
  if (!usage.data) return <Reading what="the jobs" />;
  const { jobs, unseen_jobs: unseen } = usage.data;
  if (jobs.length === 0 && unseen === 0) return <p>No job signs in with it.</p>;
  return (
    <ul className={classes.uses}>
      {jobs.map((job) => (
        <li key={job.id}>
          <AppLink to={paths.job(job.id)}>{job.name}</AppLink>
        </li>
      ))}
      {unseen > 0 && <li>{unseen} of sites that you do not see</li>}
    </ul>
  );
};

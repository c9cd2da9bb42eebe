import { useQuery } from "@tanstack/react-query";
import { targetingQuery } from "@/api/devices";
import { asProblem } from "@/api/problem";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Instant } from "@/ui/Instant";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { StateBadge } from "@/ui/StateBadge";
import { TitledPanel } from "@/ui/TitledPanel";
import classes from "./devices.module.css";

const BY: Readonly<Record<string, string>> = {
  device: "by its name",
  filter: "by a filter",
  site: "by its site",
  all_devices: "as all devices",
};

/** The jobs that would run on this device if they started now, and how they come to it. */
export const TargetingPanel = ({ deviceId }: { deviceId: string }) => {
  const jobs = useQuery(targetingQuery(deviceId));
  return (
    <TitledPanel title="Jobs that target it" flush>
      {jobs.error && <ProblemAlert problem={asProblem(jobs.error)} onRetry={() => void jobs.refetch()} />}
      {jobs.data?.items.length === 0 && <div className={classes.none}>No job does.</div>}
      <ul className={classes.rows}>
        {jobs.data?.items.map((job) => (
          <li key={job.id}>
            <AppLink to={paths.job(job.id)}>{job.name}</AppLink>
            {job.state === "active" ? <Instant at={job.next_due_at} show="relative" /> : <StateBadge plain state={job.state} />}
            <small>
              {job.by.map((one) => BY[one] ?? one).join(", ")}
              {job.is_excluded && ", and left out by an exclusion"}
            </small>
          </li>
        ))}
      </ul>
    </TitledPanel>
  );
};

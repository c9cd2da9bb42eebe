import { useQuery } from "@tanstack/react-query";
import { type FilterUsage, filterUsageQuery } from "@/api/filters";
import { asProblem } from "@/api/problem";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { TitledPanel } from "@/ui/TitledPanel";
import classes from "./filters.module.css";

/** The jobs and windows that a filter is part of, each a link. */
export const UsagePanel = ({ filterId }: { filterId: number }) => {
  const usage = useQuery(filterUsageQuery(filterId));
  return (
    <TitledPanel title="What uses it">
      {usage.error && <ProblemAlert problem={asProblem(usage.error)} onRetry={() => void usage.refetch()} />}
      {usage.data && <Uses usage={usage.data} />}
      {usage.isPending && "Reading…"}
    </TitledPanel>
  );
};

export const isUsed = (usage: FilterUsage): boolean =>
  usage.jobs.length + usage.windows.length + usage.unseen_jobs + usage.unseen_windows > 0;

export const Uses = ({ usage }: { usage: FilterUsage }) => {
  if (!isUsed(usage))
    return <span className={classes.dim}>Nothing yet. Name it among the targets of a job, or attach a window to it.</span>;
  const unseen = usage.unseen_jobs + usage.unseen_windows;
  return (
    <ul className={classes.uses}>
      {usage.jobs.map((job) => (
        <li key={`job ${job.id}`}>
          Job <AppLink to={paths.job(job.id)}>{job.name}</AppLink>
          {job.is_exclusion && <span className={classes.dim}> leaves out whom it finds</span>}
        </li>
      ))}
      {usage.windows.map((window) => (
        <li key={`window ${window.id}`}>
          Window <AppLink to={paths.window(window.id)}>{window.name}</AppLink>
        </li>
      ))}
      {unseen > 0 && <li>{unseen.toLocaleString("en")} more in sites that you do not see</li>}
    </ul>
  );
};

import type { AssemblyUsage } from "@/api/assemblies";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { StateBadge } from "@/ui/StateBadge";
import classes from "./assemblies.module.css";
import { countOf, revisionsInWords } from "./in-words";

export const unseenInWords = (number: number): string => `${countOf(number, "job")} of sites that you do not see`;

type Used = Pick<AssemblyUsage, "jobs" | "unseen_jobs"> & Partial<Pick<AssemblyUsage, "workflows">>;

/** The jobs and workflows that an assembly is part of, and which revision each runs. */
export const UsageList = ({ usage, most }: { usage: Used; most?: number }) => {
  const shown = usage.jobs.slice(0, most);
  const rest = usage.jobs.length - shown.length;
  const workflows = usage.workflows ?? [];
  return (
    <ul className={classes.list}>
      {shown.map((job) => (
        <li key={job.id}>
          <AppLink to={paths.job(job.id)} className={classes.link}>
            {job.name}
          </AppLink>
          <StateBadge state={job.state} />
          <span className={classes.dim}>{revisionsInWords(job.revisions)}</span>
        </li>
      ))}
      {workflows.map((one) => (
        <li key={one.id}>
          <AppLink to={paths.assembly(one.id)} className={classes.link}>
            {one.name}
          </AppLink>
          <span className={classes.dim}>a workflow, {revisionsInWords(one.revisions)}</span>
        </li>
      ))}
      {rest > 0 && <li className={classes.dim}>and {countOf(rest, "job")} more</li>}
      {usage.unseen_jobs > 0 && <li className={classes.dim}>and {unseenInWords(usage.unseen_jobs)}</li>}
    </ul>
  );
};

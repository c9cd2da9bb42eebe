import { useInfiniteQuery } from "@tanstack/react-query";
import { executionsQuery } from "@/api/devices";
import { asProblem } from "@/api/problem";
import { executionState } from "@/api/runs";
import { paths } from "@/lib/paths";
import { whyOf } from "@/lib/reasons";
import { AppLink } from "@/ui/AppLink";
import { Instant } from "@/ui/Instant";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { StateBadge } from "@/ui/StateBadge";
import { TitledPanel } from "@/ui/TitledPanel";
import classes from "./devices.module.css";
import { outputPath } from "./execution-columns";

const FEW = 8;

/** What ran on it last. */
export const RecentPanel = ({ deviceId }: { deviceId: string }) => {
  const last = useInfiniteQuery(executionsQuery(deviceId, FEW));
  const items = last.data?.pages[0]?.items ?? [];
  return (
    <TitledPanel
      title="What ran on it"
      flush
      actions={last.data && items.length > 0 && <AppLink to={paths.device(deviceId, { tab: "executions" })}>All of it</AppLink>}
    >
      {last.error && <ProblemAlert problem={asProblem(last.error)} onRetry={() => void last.refetch()} />}
      {last.data && items.length === 0 && <div className={classes.none}>Nothing ran on it yet.</div>}
      <ul className={classes.rows}>
        {items.map((one) => (
          <li key={one.id}>
            <span>
              <AppLink to={outputPath(one)}>{one.job_name}</AppLink> <small>{one.component_name}</small>
            </span>
            <span className={classes.end}>
              <StateBadge plain state={executionState(one)} detail={whyOf(one)} />
              {one.verdict && <StateBadge plain state={one.verdict} />}
              {one.exit_code !== null && <span>{one.exit_code}</span>}
              <Instant at={one.started_at} show="relative" none="not yet" />
            </span>
            {(one.last_line ?? whyOf(one)) && (
              <span className={classes.line} title={one.last_line ?? whyOf(one) ?? undefined}>
                {one.last_line ?? whyOf(one)}
              </span>
            )}
          </li>
        ))}
      </ul>
    </TitledPanel>
  );
};

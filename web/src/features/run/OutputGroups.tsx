import { Button, Loader } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { groupsQuery, type OutputGroup } from "@/api/runs";
import { bytes } from "@/lib/bytes";
import { terminalLines, textOf } from "@/lib/terminal";
import { EmptyState } from "@/ui/EmptyState";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { StateBadge } from "@/ui/StateBadge";
import classes from "./run.module.css";

interface OutputGroupsProps {
  jobId: number;
  occurrenceId: string;
  onChoose: (group: OutputGroup) => void;
}

/** Which devices wrote the same, the most frequent first: a run of thousands is read in a few outputs. */
export const OutputGroups = ({ jobId, occurrenceId, onChoose }: OutputGroupsProps) => {
  const groups = useInfiniteQuery(groupsQuery(jobId, occurrenceId));
  const all = groups.data?.pages.flatMap((page) => page.items) ?? [];
  if (groups.isPending)
    return (
      <div className="wb-panel" role="status" style={{ padding: "2rem", textAlign: "center" }}>
        <Loader size="sm" /> Reading outputs…
      </div>
    );
  if (groups.error && all.length === 0) return <ProblemAlert problem={groups.error} onRetry={() => void groups.refetch()} />;
  if (all.length === 0)
    return (
      <div className="wb-panel">
        <EmptyState icon="group" title="No device has ended yet.">
          Outputs that are the same are shown together once their devices have ended.
        </EmptyState>
      </div>
    );
  return (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a part that scrolls must be reached by the keyboard
    <div className={classes.groups} role="region" aria-label="Outputs of the run" tabIndex={0}>
      {all.map((group) => (
        <Group key={group.output} group={group} onChoose={onChoose} />
      ))}
      {groups.hasNextPage && (
        <Button variant="default" loading={groups.isFetchingNextPage} onClick={() => void groups.fetchNextPage()}>
          More outputs
        </Button>
      )}
    </div>
  );
};

const Group = ({ group, onChoose }: { group: OutputGroup; onChoose: (group: OutputGroup) => void }) => {
  const isWell = group.outcome === "exited" && group.exit_code === 0;
  const number = `${group.devices.toLocaleString("en")} ${group.devices === 1 ? "device" : "devices"}`;
  return (
    <article className={`wb-panel ${classes.group}`} aria-label={`Output of ${number}`}>
      <div className={classes.groupHead}>
        <strong>{number}</strong>
        {group.outcome && <StateBadge state={isWell ? "success" : group.outcome} />}
        {group.exit_code !== null && <span>exit {group.exit_code}</span>}
        <span className={classes.facts}>
          {bytes(group.stdout_bytes)} output, {bytes(group.stderr_bytes)} errors
          {group.truncated ? ", not all kept" : ""}
        </span>
        <Button variant="default" ml="auto" onClick={() => onChoose(group)}>
          Show {group.devices === 1 ? "the device" : "these devices"}
        </Button>
      </div>
      <Sample label={`Errors of ${number}`} text={group.stderr} />
      <Sample label={`Output of ${number}`} text={group.stdout} />
    </article>
  );
};

const Sample = ({ label, text }: { label: string; text: string }) =>
  text ? (
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a part that scrolls must be reached by the keyboard
    <pre className={classes.sample} role="region" aria-label={label} tabIndex={0}>
      {terminalLines(text).map(textOf).join("\n")}
    </pre>
  ) : null;

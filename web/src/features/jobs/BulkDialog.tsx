import { List, Loader, TagsInput, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type BulkBody, bulkJobs, type BulkReply, useBulkJobs } from "@/api/jobs";
import { asProblem } from "@/api/problem";
import { key } from "@/api/query";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { type Pause, PauseDialog } from "./PauseDialog";

export type BulkKind = "run" | "pause" | "resume" | "tag" | "delete";

const WORDS: Readonly<Record<BulkKind, { title: string; verb: string; done: string }>> = {
  run: { title: "Run jobs now", verb: "Run", done: "started" },
  pause: { title: "Pause jobs", verb: "Pause", done: "paused" },
  resume: { title: "Resume jobs", verb: "Resume", done: "resumed" },
  tag: { title: "Tag jobs", verb: "Tag", done: "tagged" },
  delete: { title: "Delete jobs", verb: "Delete", done: "deleted" },
};

const bodyOf = (kind: BulkKind, job_ids: number[], add: string[], remove: string[]): BulkBody => {
  const base = { job_ids, dry_run: true };
  if (kind === "run") return { ...base, action: "rerun", targets: "all" };
  if (kind === "tag") return { ...base, action: "tag", add, remove };
  if (kind === "delete") return { ...base, action: "delete" };
  return { ...base, action: "toggle", enabled: kind === "resume" };
};

export const jobsCount = (count: number): string => `${count.toLocaleString("en")} ${count === 1 ? "job" : "jobs"}`;

interface BulkDialogProps {
  kind: BulkKind;
  jobIds: readonly number[];
  onClose: () => void;
  onDone: () => void;
}

/** Counts first, by a dry run of the Engine; then does it to exactly as many jobs as were counted. */
export const BulkDialog = ({ kind, jobIds, onClose, onDone }: BulkDialogProps) => {
  const [add, setAdd] = useState<string[]>([]);
  const [remove, setRemove] = useState<string[]>([]);
  const words = WORDS[kind];
  const body = bodyOf(kind, [...jobIds], add, remove);
  const isReady = kind !== "tag" || add.length + remove.length > 0;
  const counted = useQuery({
    queryKey: key("jobs", "bulk", body),
    queryFn: () => bulkJobs(body),
    enabled: isReady,
    staleTime: 0,
    gcTime: 0,
  });
  const act = useBulkJobs((reply) => `${jobsCount(reply.count)} ${words.done}.`);
  const count = counted.data?.count ?? 0;
  const blocked = !isReady
    ? "Name a tag first."
    : counted.isPending
      ? "Being counted."
      : count === 0
        ? "No job changes by this."
        : null;
  const commit = (pause: Pause = {}): void =>
    act.mutate(
      { ...body, ...pause, dry_run: false, expected: count },
      {
        onSuccess: () => {
          onDone();
          onClose();
        },
        onError: () => void counted.refetch(),
      },
    );
  const what = (
    <>
      {kind === "tag" && (
        <>
          <TagsInput label="Add tags" value={add} onChange={setAdd} mb="xs" data-autofocus />
          <TagsInput label="Remove tags" value={remove} onChange={setRemove} mb="sm" />
        </>
      )}
      {isReady && counted.isPending && <Loader size="xs" aria-label="Counting" />}
      {counted.error && <ProblemAlert problem={asProblem(counted.error)} />}
      {counted.data && <Counted reply={counted.data} verb={words.verb.toLowerCase()} />}
    </>
  );
  const shared = { title: words.title, busy: act.isPending, problem: act.error, blocked, onClose };
  if (kind === "pause")
    return (
      <PauseDialog {...shared} onPause={commit}>
        {what}
      </PauseDialog>
    );
  return (
    <ConfirmDialog
      {...shared}
      opened
      danger={kind === "delete"}
      confirm={`${words.verb} ${jobsCount(count)}`}
      onConfirm={() => commit()}
    >
      {what}
    </ConfirmDialog>
  );
};

const MOST_NAMES = 8;

const Counted = ({ reply, verb }: { reply: BulkReply; verb: string }) => {
  const hit = reply.jobs.filter((one) => one.code === null);
  const left = reply.jobs.filter((one) => one.code !== null);
  return (
    <>
      <Text size="sm" fw={600}>
        This will {verb} {jobsCount(reply.count)}:
      </Text>
      <List size="sm">
        {hit.slice(0, MOST_NAMES).map((one) => (
          <List.Item key={one.job_id}>{one.name}</List.Item>
        ))}
        {hit.length > MOST_NAMES && <List.Item>and {(hit.length - MOST_NAMES).toLocaleString("en")} more</List.Item>}
      </List>
      {left.length > 0 && (
        <>
          <Text size="sm" fw={600} mt="xs">
            Left out:
          </Text>
          <List size="sm">
            {left.slice(0, MOST_NAMES).map((one) => (
              <List.Item key={one.job_id}>
                {one.name ?? `job ${one.job_id}`}: {one.reason}
              </List.Item>
            ))}
            {left.length > MOST_NAMES && <List.Item>and {(left.length - MOST_NAMES).toLocaleString("en")} more</List.Item>}
          </List>
        </>
      )}
    </>
  );
};

import type { QueryClient } from "@tanstack/react-query";
import { type Kind, onLive } from "@/lib/live";
import { type Job, patchJobs } from "./jobs";
import type { Noun, PageOf } from "./query";

/** What live events make of what the console knows: rows of jobs are read anew one by one, lists as a whole, nothing more than once a beat. */

const BEAT_MILLISECONDS = 1_000;
/** So many changed rows are read one by one; of more, the list. */
const MOST_ROWS = 8;

/** What an event makes stale beyond the jobs, which have a way of their own. */
export const STALE: Readonly<Record<Kind, readonly Noun[]>> = {
  "job.changed": ["occurrences"],
  "occurrence.changed": ["occurrences", "runs", "waiting"],
  "run.progress": ["runs"],
  "target.changed": ["runs", "waiting"],
  "device.online": ["devices"],
  "device.service_account": ["devices"],
  "onboarding.changed": [],
  "approval.created": ["approvals"],
  "approval.decided": ["approvals", "devices", "sites"],
  "filter.changed": ["filters"],
  "window.changed": ["windows", "occurrences"],
  "outage.noticed": ["outages", "occurrences"],
  "outage.released": ["outages", "occurrences"],
  "workflow.changed": ["workflowApprovals"],
  reset: [],
};

/** Let `client` follow the stream; returns how to stop. */
export const followEvents = (client: QueryClient): (() => void) => {
  const nouns = new Set<Noun>();
  const jobs = new Set<number>();
  let isWhole = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const settle = (): void => {
    timer = undefined;
    const changed = [...jobs];
    const stale = [...nouns];
    jobs.clear();
    nouns.clear();
    for (const noun of stale) void client.invalidateQueries({ queryKey: [noun] });
    if (!isWhole && changed.length === 0) return;
    const rows = isWhole ? [] : changed.filter((id) => isShown(client, id));
    if (isWhole || rows.length > MOST_ROWS) void client.invalidateQueries({ queryKey: ["jobs"] });
    else void patchJobs(client, rows).catch(() => client.invalidateQueries({ queryKey: ["jobs"] }));
    isWhole = false;
  };
  const stop = onLive(Object.keys(STALE) as Kind[], (event, kind) => {
    if (kind === "reset") {
      void client.invalidateQueries();
      return;
    }
    STALE[kind].forEach((one) => nouns.add(one));
    if (typeof event["job_id"] === "number") jobs.add(event["job_id"]);
    if (kind === "job.changed" && (event["change"] === "created" || event["change"] === "updated")) isWhole = true;
    timer ??= setTimeout(settle, BEAT_MILLISECONDS);
  });
  return () => {
    clearTimeout(timer);
    stop();
  };
};

const isShown = (client: QueryClient, jobId: number): boolean =>
  client
    .getQueriesData<{ pages?: PageOf<Job>[] }>({ queryKey: ["jobs", "list"] })
    .some(([, data]) => data?.pages?.some((page) => page.items.some((one) => one.id === jobId))) ||
  client.getQueryData(["jobs", "one", jobId]) !== undefined;

import { type InfiniteData, type QueryClient, type QueryKey } from "@tanstack/react-query";
import { createBeat } from "@/lib/beat";
import { liveState, onLive } from "@/lib/live";
import type { PageOf } from "./query";
import { changeOf, withChange } from "./workflow-merge";
import { getWorkflowRun, nodesKey, rowsKey, runsKey, workflowRunKey } from "./workflow-runs";
import type { WorkflowChanged, WorkflowRun, WorkflowRunBrief } from "./workflow-types";

/** What live events make of the page of a run, and of the list of a workflow's runs. Nothing is polled. */

const BEAT_MILLISECONDS = 1_000;

/** States change at once, by what the event says; times, counts and results are read anew, once a second at most. Returns how to stop. */
export const followWorkflowRun = (client: QueryClient, runId: number, onRows: () => void): (() => void) => {
  const read = (queryKey: QueryKey) => client.invalidateQueries({ queryKey });
  const facts = createBeat(() => Promise.all([read(workflowRunKey(runId)), read(nodesKey(runId))]), BEAT_MILLISECONDS);
  const rows = createBeat(() => {
    onRows();
    return Promise.resolve();
  }, BEAT_MILLISECONDS);
  const occurrences = (): readonly (string | null)[] =>
    client.getQueryData<WorkflowRun>(workflowRunKey(runId))?.nodes.map((one) => one.occurrence_id) ?? [];
  const stopRun = onLive(["workflow.changed"], (event) => {
    const change = changeOf(event);
    if (change?.run_id !== runId) return;
    client.setQueryData<WorkflowRun>(workflowRunKey(runId), (run) => run && withChange(run, change));
    facts.ring();
    rows.ring();
  });
  const stopRows = onLive(["target.changed", "run.progress", "occurrence.changed"], (event) => {
    const occurrence = event["occurrence_id"];
    if (typeof occurrence !== "string" || !occurrences().includes(occurrence)) return;
    facts.ring(); // the counts of its node
    rows.ring();
  });
  // Before the stream was open nobody told what changed after it had been read.
  const unsubscribe = liveState.subscribe(() => {
    if (liveState.get() !== "live") return;
    facts.ring();
    rows.ring();
  });
  return () => {
    stopRun();
    stopRows();
    unsubscribe();
    facts.stop();
    rows.stop();
  };
};

/** Read the rows of its nodes anew. */
export const readRows = (client: QueryClient, runId: number): void => void client.invalidateQueries({ queryKey: rowsKey(runId) });

type Pages = InfiniteData<PageOf<WorkflowRunBrief>>;

/** The list with that run as it is now; the same where it is not in it. */
export const withRun = (pages: Pages, change: (run: WorkflowRunBrief) => WorkflowRunBrief, runId: number): Pages => {
  if (!pages.pages.some((page) => page.items.some((one) => one.id === runId))) return pages;
  const items = (page: PageOf<WorkflowRunBrief>) => page.items.map((one) => (one.id === runId ? change(one) : one));
  return { ...pages, pages: pages.pages.map((page) => ({ ...page, items: items(page) })) };
};

/**
 * `workflowId` null: of all. Rows of a list of runs change where they are. A run that is not in it is told to `onNew`: it would push the others down under the
 * pointer.
 */
export const followWorkflowRuns = (
  client: QueryClient,
  workflowId: string | null,
  onNew: (runId: number) => void,
): (() => void) => {
  const queryKey = runsKey();
  const ids = new Set<number>();
  const patch = (runId: number, change: (run: WorkflowRunBrief) => WorkflowRunBrief): void => {
    client.setQueriesData<Pages>({ queryKey }, (pages) => pages && withRun(pages, change, runId));
  };
  const read = createBeat(async () => {
    const some = [...ids];
    ids.clear();
    for (const id of some) {
      const run = await getWorkflowRun(id);
      patch(id, () => run);
    }
  }, BEAT_MILLISECONDS);
  const stop = onLive(["workflow.changed"], (event) => {
    const change = changeOf(event);
    if (!change || (workflowId !== null && change.workflow_id !== workflowId)) return;
    if (isKnown(client, queryKey, change)) {
      patch(change.run_id, (run) => ({ ...run, state: change.state }));
      ids.add(change.run_id);
      read.ring();
    } else onNew(change.run_id);
  });
  return () => {
    stop();
    read.stop();
  };
};

const isKnown = (client: QueryClient, queryKey: QueryKey, change: WorkflowChanged): boolean =>
  client
    .getQueriesData<Pages>({ queryKey })
    .some(([, data]) => data?.pages.some((page) => page.items.some((one) => one.id === change.run_id)));

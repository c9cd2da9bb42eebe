import type { QueryClient } from "@tanstack/react-query";
import { createBeat } from "@/lib/beat";
import { liveState, onLive } from "@/lib/live";
import { key } from "./query";

/**
 * What live events of one occurrence make of its page. However many targets change, once a second at most the counts of its head and
 * those pages of its rows that somebody sees are read anew; pages out of sight are only marked, and are when they come into sight.
 */

const FACTS_MILLISECONDS = 1_000;
/** Telling which outputs are the same asks for all of them. */
const GROUPS_MILLISECONDS = 5_000;

const FACTS: readonly string[] = ["rows", "row", "rerun", "stop"];

/** `occurrenceId` null: the job has none yet. Returns how to stop. */
export const followRun = (client: QueryClient, jobId: number, occurrenceId: string | null): (() => void) => {
  const read = async (queryKey: readonly unknown[]): Promise<void> => {
    // What is being read for the first time goes on, and may have been read before the change.
    const isFirst = client
      .getQueryCache()
      .findAll({ queryKey, type: "active" })
      .some(({ state }) => state.data === undefined && state.fetchStatus === "fetching");
    await client.invalidateQueries({ queryKey });
    if (isFirst) await client.invalidateQueries({ queryKey });
  };
  const head = createBeat(() => read(key("results", "one", jobId)), FACTS_MILLISECONDS);
  const facts = createBeat(() => Promise.all(FACTS.map((one) => read(key("results", one, occurrenceId)))), FACTS_MILLISECONDS);
  const groups = createBeat(() => read(key("results", "groups", occurrenceId)), GROUPS_MILLISECONDS);
  const quiet = onLive(["run.progress", "target.changed", "occurrence.changed"], (event, kind) => {
    if (event["job_id"] !== jobId) return;
    const isThis = event["occurrence_id"] === occurrenceId;
    if (isThis || kind === "occurrence.changed") head.ring(); // a newer one may be the last now
    if (!isThis) return;
    facts.ring();
    groups.ring();
  });
  // Before the stream was open nobody told what changed after it had been read.
  const unsubscribe = liveState.subscribe(() => {
    if (liveState.get() !== "live") return;
    head.ring();
    facts.ring();
  });
  return () => {
    quiet();
    unsubscribe();
    for (const beat of [head, facts, groups]) beat.stop();
  };
};

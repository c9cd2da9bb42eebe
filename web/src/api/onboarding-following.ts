import type { InfiniteData, QueryClient } from "@tanstack/react-query";
import { createBeat } from "@/lib/beat";
import { liveState, onLive } from "@/lib/live";
import { type Address, type Addresses, addressesKey, type AddressReason, type AddressState, readRows } from "./onboarding";
import { key } from "./query";

/**
 * What live events make of the addresses of one occurrence: rows that changed are marked at once and read anew once a second at most, each in
 * its place, so that none moves under the pointer; counts are read anew as often.
 */

type Pages = InfiniteData<Addresses>;

export interface Change {
  target_id: number;
  state: AddressState;
  reason: AddressReason | null;
}

const BEAT_MILLISECONDS = 1_000;
const AT_ONCE = 500;
/** An event names at most so many rows; then any may have changed. */
const MOST_NAMED = 200;

/** The pages with these rows in the places of those before them. */
export const withRows = (data: Pages, rows: ReadonlyMap<number, Address>): Pages => ({
  ...data,
  pages: data.pages.map((page) =>
    page.items.some((one) => rows.has(one.id)) ? { ...page, items: page.items.map((one) => rows.get(one.id) ?? one) } : page,
  ),
});

/** The pages with what an event says of some rows; why they ended is not known until they are read. */
export const withChanges = (data: Pages, changes: ReadonlyMap<number, Change>): Pages => {
  const rows = data.pages.flatMap((page) => page.items);
  const changed = rows.flatMap((one) => {
    const { state, reason } = changes.get(one.id) ?? one;
    return state === one.state && reason === one.reason ? [] : [[one.id, { ...one, state, reason, detail: null }] as const];
  });
  return changed.length ? withRows(data, new Map(changed)) : data;
};

const changesIn = (event: Readonly<Record<string, unknown>>): Change[] =>
  Array.isArray(event["targets"]) ? (event["targets"] as Change[]) : [];

/** Returns how to stop. */
export const followAddresses = (client: QueryClient, jobId: number, occurrenceId: string): (() => void) => {
  const queryKey = addressesKey(occurrenceId);
  const stale = new Set<number>();
  const put = (change: (data: Pages) => Pages): void => {
    client.setQueriesData<Pages>({ queryKey }, (data) => data && change(data));
  };
  const loaded = (): number[] =>
    client
      .getQueriesData<Pages>({ queryKey })
      .flatMap(([, data]) => data?.pages.flatMap((page) => page.items.map((one) => one.id)) ?? []);
  const rows = createBeat(async () => {
    const known = new Set(loaded());
    const ids = [...stale].filter((id) => known.has(id));
    stale.clear();
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const fresh = await readRows(jobId, occurrenceId, ids.slice(at, at + AT_ONCE));
      put((data) => withRows(data, new Map(fresh.map((one) => [one.id, one]))));
    }
  }, BEAT_MILLISECONDS);
  const counts = createBeat(
    () =>
      Promise.all([
        client.invalidateQueries({ queryKey: key("results", "address counts", occurrenceId) }),
        client.invalidateQueries({ queryKey: key("results", "address") }),
      ]),
    BEAT_MILLISECONDS,
  );
  const quiet = onLive(["onboarding.changed", "run.progress", "occurrence.changed"], (event, kind) => {
    if (event["job_id"] !== jobId || event["occurrence_id"] !== occurrenceId) return;
    counts.ring();
    if (kind !== "onboarding.changed") return;
    const changes = changesIn(event);
    put((data) => withChanges(data, new Map(changes.map((one) => [one.target_id, one]))));
    for (const id of changes.length >= MOST_NAMED ? loaded() : changes.map((one) => one.target_id)) stale.add(id);
    rows.ring();
  });
  // Before the stream was open nobody told what changed after it had been read.
  const unsubscribe = liveState.subscribe(() => {
    if (liveState.get() !== "live") return;
    counts.ring();
    loaded().forEach((id) => stale.add(id));
    rows.ring();
  });
  return () => {
    quiet();
    unsubscribe();
    rows.stop();
    counts.stop();
  };
};

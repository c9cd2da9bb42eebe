import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { key, listQuery } from "./query";

/** What was: the occurrences of a job with their sentences, and what differs between two of them. */

export type LedgerEntry = Schemas["LedgerEntry"];
export type MovedDevice = Schemas["MovedDevice"];
export type JobChange = Schemas["JobChange"];
export type HistoryQuery = Omit<
  NonNullable<paths["/api/occurrences"]["get"]["parameters"]["query"]>,
  "limit" | "cursor" | "sort" | "job_id"
>;

const PAGE = 100;

/** Newest first; also those that did not run. */
export const historyQuery = (jobId: number, query: HistoryQuery) =>
  listQuery<LedgerEntry>(key("occurrences", "of", jobId, query), (cursor, signal) =>
    unwrap(
      api.GET("/api/occurrences", {
        params: { query: { ...query, job_id: jobId, sort: "-time", limit: PAGE, cursor } },
        signal,
      }),
    ),
  );

export interface Membership {
  joined: number;
  left: number;
  stayed: number;
  items: MovedDevice[];
  /** More have joined or left than are here. */
  hasMore: boolean;
}

const MOST_MOVED = 200;

export const membershipQuery = (jobId: number, before: string, after: string) =>
  queryOptions({
    queryKey: key("occurrences", "difference", jobId, before, after),
    queryFn: async ({ signal }): Promise<Membership> => {
      const found = await unwrap(
        api.GET("/api/scheduled_jobs/{job_id}/occurrences/{occurrence}/diff/{other}", {
          params: { path: { job_id: jobId, occurrence: before, other: after }, query: { limit: MOST_MOVED } },
          signal,
        }),
      );
      return { ...found, hasMore: found.next_cursor !== null };
    },
  });

export interface Saved {
  revision: number;
  changed_by: string | null;
  changed_at: string;
  changes: JobChange[];
}

/** What each save changed after one revision of a job, up to another; the latest first. */
export const savesQuery = (jobId: number, after: number, upTo: number) =>
  queryOptions({
    queryKey: key("jobs", "saves", jobId, after, upTo),
    queryFn: async ({ signal }): Promise<Saved[]> => {
      const found: Saved[] = [];
      let cursor: string | undefined;
      do {
        const page = await unwrap(
          api.GET("/api/scheduled_jobs/{job_id}/revisions", {
            params: { path: { job_id: jobId }, query: { limit: 100, cursor } },
            signal,
          }),
        );
        found.push(...page.items);
        cursor = (page.items.at(-1)?.revision ?? 0) > after ? (page.next_cursor ?? undefined) : undefined;
      } while (cursor);
      return found.filter((one) => one.revision > after && one.revision <= upTo);
    },
    staleTime: Infinity,
  });

/** The text of a script as it was. */
export const contentQuery = (assemblyId: string, revision: number) =>
  queryOptions({
    queryKey: key("assemblies", "content", assemblyId, revision),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/assemblies/{assembly_id}/revisions/{revision}", {
          params: { path: { assembly_id: assemblyId, revision } },
          signal,
        }),
      ),
    staleTime: Infinity,
  });

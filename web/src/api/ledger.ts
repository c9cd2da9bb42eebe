import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { key, listQuery, useApiMutation } from "./query";

/** The ledger across jobs: what ran, what did not and why, and what is to come. */

export type LedgerEntry = Schemas["LedgerEntry"];
export type LedgerQuery = Omit<NonNullable<paths["/api/occurrences"]["get"]["parameters"]["query"]>, "limit" | "cursor">;

const PAGE = 100;

export const ledgerQuery = (query: LedgerQuery) =>
  listQuery<LedgerEntry>(key("occurrences", "ledger", query), (cursor, signal) =>
    unwrap(api.GET("/api/occurrences", { params: { query: { ...query, limit: PAGE, cursor } }, signal })),
  );

type Named = Pick<LedgerEntry, "id" | "job_id" | "job_name">;
const of = (one: Named) => ({ path: { job_id: one.job_id, occurrence: one.id } });
const TOUCHES = ["occurrences", "outages", "jobs", "runs"] as const;

export const useReleaseOccurrence = () =>
  useApiMutation({
    refusal: "form",
    run: ({ one, reason }: { one: Named; reason?: string }, headers) =>
      unwrap(
        api.POST("/api/scheduled_jobs/{job_id}/occurrences/{occurrence}/release", {
          params: of(one),
          headers,
          body: { reason },
        }),
      ),
    done: (_, { one }) => `“${one.job_name}” is let go and starts now.`,
    touches: TOUCHES,
  });

export const useSkipOccurrence = () =>
  useApiMutation({
    refusal: "form",
    run: ({ one, reason }: { one: Named; reason?: string }) =>
      unwrap(api.POST("/api/scheduled_jobs/{job_id}/occurrences/{occurrence}/skip", { params: of(one), body: { reason } })),
    done: (_, { one }) => `One occurrence of “${one.job_name}” is skipped.`,
    touches: TOUCHES,
  });

// --- outages ------------------------------------------------------------------------------------------------------------

export type Outage = Schemas["OutageReply"];
export type JobAway = Schemas["JobAwayReply"];
export type OutageTotals = Schemas["TotalsReply"];
export type Decision = Schemas["watchbill__api__outages__Decision"];
export type DecisionReply = Schemas["DecisionReply"];
export type Guard = Schemas["StormGuard"];
export type GuardBody = Schemas["StormGuardRequest"];

/** What went wrong with time, newest first. */
export const outagesQuery = () =>
  listQuery<Outage>(key("outages", "list"), (cursor, signal) =>
    unwrap(api.GET("/api/outages", { params: { query: { limit: 50, cursor } }, signal })),
  );

/** One outage, and page by page the jobs that it touched. */
export const outageQuery = (outageId: number) =>
  infiniteQueryOptions({
    queryKey: key("outages", "one", outageId),
    queryFn: async ({ pageParam, signal }) => {
      const { jobs, ...outage } = await unwrap(
        api.GET("/api/outages/{outage_id}", {
          params: { path: { outage_id: outageId }, query: { limit: PAGE, cursor: pageParam ?? undefined } },
          signal,
        }),
      );
      return { ...outage, items: jobs };
    },
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.next_cursor,
  });

const number = (count: number, what: string): string => `${count.toLocaleString("en")} ${what}`;

/** What a decision did, in a sentence: what was let go, what was not, and what is still held. */
export const decided = (reply: DecisionReply): string =>
  [
    reply.released ? number(reply.released, "let go") : "",
    reply.skipped ? number(reply.skipped, "skipped") : "",
    reply.left ? number(reply.left, "still held: decide again") : "",
    reply.refused.length ? number(reply.refused.length, "jobs were not yours to decide") : "",
  ]
    .filter(Boolean)
    .join(", ") || "Nothing was held any more";

export const useDecide = () =>
  useApiMutation({
    refusal: "form",
    run: ({ outageId, body }: { outageId: number; body: Decision }) =>
      unwrap(api.POST("/api/outages/{outage_id}/release", { params: { path: { outage_id: outageId } }, body })),
    done: (reply) => `${decided(reply)}.`,
    touches: TOUCHES,
  });

export const guardQuery = () =>
  queryOptions({
    queryKey: key("outages", "guard"),
    queryFn: ({ signal }) => unwrap(api.GET("/api/storm_guard", { signal })),
  });

export const useSaveGuard = () =>
  useApiMutation({
    refusal: "form",
    run: (body: GuardBody) => unwrap(api.PUT("/api/storm_guard", { body })),
    done: () => "The storm guard’s settings are saved.",
    touches: ["outages"],
  });

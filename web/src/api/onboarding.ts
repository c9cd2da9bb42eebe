import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { key, listQuery, useApiMutation } from "./query";

/** Jobs that look for machines: scopes as they are typed, what became of each address of an occurrence, and another go. */

export type ScopeReply = Schemas["ScopeReply"];
export type ScopeLine = Schemas["ScopeLine"];
export type Address = Schemas["OnboardingTargetReply"];
export type AddressTask = Schemas["OnboardingTask"];
export type AddressState = Schemas["OnboardingState"];
export type AddressReason = Schemas["OnboardingReason"];
export type AddressCount = Schemas["OnboardingCount"];
export type Addresses = Schemas["Addresses"];
export type Origin = Schemas["ApprovalOrigin"];

/** What each line of a scope is, with its count or what is wrong with it. */
export const scopeQuery = (entries: readonly string[], exclusions: readonly string[]) =>
  queryOptions({
    queryKey: key("jobs", "scope", entries, exclusions),
    queryFn: ({ signal }) =>
      unwrap(api.POST("/api/onboarding/scope", { body: { entries: [...entries], exclusions: [...exclusions] }, signal })),
    staleTime: Infinity,
    gcTime: 60_000,
  });

/** Which addresses of which occurrence. */
export interface AddressSource {
  jobId: number;
  occurrenceId: string;
  state: readonly AddressState[];
  reason: readonly AddressReason[];
  q: string;
}

const PAGE = 200;

export const addressesKey = (occurrenceId: string) => key("results", "addresses", occurrenceId);

/** The rows in the order of the scope. Events put changed rows into it, so that none moves: see `onboarding-following`. */
export const addressesQuery = ({ jobId, occurrenceId, state, reason, q }: AddressSource) =>
  listQuery<Address, Addresses>([...addressesKey(occurrenceId), state, reason, q], (cursor, signal) =>
    readAddresses(
      jobId,
      { occurrence: occurrenceId, state: [...state], reason: [...reason], q: q || undefined, limit: PAGE, cursor },
      signal,
    ),
  );

type AddressesParams = NonNullable<paths["/api/onboarding/jobs/{job_id}/targets"]["get"]["parameters"]["query"]>;

const readAddresses = (jobId: number, query: AddressesParams, signal?: AbortSignal): Promise<Addresses> =>
  unwrap(api.GET("/api/onboarding/jobs/{job_id}/targets", { params: { path: { job_id: jobId }, query }, signal }));

/** How many addresses of an occurrence ended how, and how many are unfinished. */
export const addressCountsQuery = (jobId: number, occurrenceId: string) =>
  queryOptions({
    queryKey: key("results", "address counts", occurrenceId),
    queryFn: ({ signal }) => readAddresses(jobId, { occurrence: occurrenceId, limit: 1 }, signal),
  });

/** Rows by their ids, at most 500 of them. */
export const readRows = async (jobId: number, occurrenceId: string, ids: readonly number[]): Promise<Address[]> =>
  (await readAddresses(jobId, { occurrence: occurrenceId, target_id: [...ids], limit: 500 })).items;

export const addressQuery = (targetId: number | null) =>
  queryOptions({
    queryKey: key("results", "address", targetId),
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/onboarding/targets/{target_id}", { params: { path: { target_id: targetId ?? 0 } }, signal })),
    enabled: targetId !== null,
  });

const TOUCHES = ["results", "jobs", "occurrences"] as const;

export interface LookAgain {
  jobId: number;
  jobName: string;
  occurrenceId: string;
  targets: Schemas["RedeployBody"]["targets"];
}

export const useLookAgain = (onDone: (occurrenceId: string) => void) =>
  useApiMutation({
    refusal: "form",
    run: ({ jobId, occurrenceId, targets }: LookAgain, headers) =>
      unwrap(
        api.POST("/api/onboarding/jobs/{job_id}/redeploy", {
          params: { path: { job_id: jobId } },
          headers,
          body: { targets, occurrence: occurrenceId },
        }),
      ),
    done: (_, { jobName }) => `“${jobName}” looks again.`,
    touches: TOUCHES,
    onDone: (started) => onDone(started.id),
  });

export const useForgetHostKey = () =>
  useApiMutation({
    refusal: "form",
    run: (one: Pick<Address, "id" | "address">) =>
      unwrap(api.DELETE("/api/onboarding/targets/{target_id}/host_key", { params: { path: { target_id: one.id } } })),
    done: (_, one) => `The next host key of ${one.address ?? "the address"} is trusted.`,
    touches: ["results"],
  });

/** Where the addresses as a file are to be had. */
export const addressesExport = (jobId: number, occurrenceId: string): string =>
  `/api/onboarding/jobs/${jobId}/targets/export?occurrence=${encodeURIComponent(occurrenceId)}`;

/** All rows that wait for approval among those that a list shows. */
export const waitingAddressesQuery = ({ jobId, occurrenceId, state, reason, q }: AddressSource) =>
  queryOptions({
    queryKey: key("results", "addresses waiting", occurrenceId, state, reason, q),
    queryFn: async ({ signal }) => {
      const found: Address[] = [];
      if (reason.length > 0 || (state.length > 0 && !state.includes("waiting_approval"))) return found;
      let cursor: string | undefined;
      do {
        const page = await readAddresses(
          jobId,
          { occurrence: occurrenceId, state: ["waiting_approval"], q: q || undefined, limit: 500, cursor },
          signal,
        );
        found.push(...page.items);
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
      return found;
    },
    staleTime: 0,
  });

/** Lists that know no addresses count them among the states of targets: which addresses such a count means. */
const COUNTED: Readonly<Record<string, { state?: AddressState[]; reason?: AddressReason[] }>> = {
  pending: { state: ["pending"] },
  connecting: { state: ["connecting"] },
  running: { state: ["installing"] },
  success: { state: ["waiting_approval", "approved"] },
  skipped: { state: ["skipped", "unreachable", "denied"] },
  expired: { state: ["expired"] },
  failed: { state: ["failed", "auth_failed"] },
  warning: { state: ["unsupported"] },
  cancelled: { reason: ["cancelled"] },
};
export const addressesCountedAs = (state: string): Record<string, string[]> => ({ ...COUNTED[state] });

/** The branches that have a package which is not withdrawn. */
export const branchesQuery = () =>
  queryOptions({
    queryKey: key("jobs", "branches"),
    queryFn: async ({ signal }) => {
      const { items } = await unwrap(api.GET("/api/agent_packages", { params: { query: { limit: 500 } }, signal }));
      return [...new Set(items.filter((one) => one.withdrawn_at === null).map((one) => one.branch))].sort();
    },
    staleTime: 5 * 60_000,
  });

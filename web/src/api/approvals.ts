import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { key, listQuery, useApiMutation } from "./query";

export type Approval = Schemas["ApprovalReply"];
export type Resolution = NonNullable<Schemas["Approve"]["resolve"]>;
export type Decision = Schemas["Bulk"]["decision"];
export type Decided = Schemas["BulkResult"];
export type ApprovalsQuery = Omit<NonNullable<paths["/api/device_approvals"]["get"]["parameters"]["query"]>, "limit" | "cursor">;

export const approvalsQuery = (query: ApprovalsQuery) =>
  listQuery<Approval>(key("approvals", "list", query), (cursor, signal) =>
    unwrap(api.GET("/api/device_approvals", { params: { query: { ...query, limit: 100, cursor } }, signal })),
  );

const MOST = 500;

/** How many wait, for one site or for all that one sees; of more than 500 that it is so many. */
export const waitingCountQuery = (siteId?: number) =>
  queryOptions({
    queryKey: key("approvals", "count", siteId),
    queryFn: async ({ signal }) => {
      const query = { state: "pending", site_id: siteId, limit: MOST } as const;
      const page = await unwrap(api.GET("/api/device_approvals", { params: { query }, signal }));
      return { count: page.items.length, isMore: page.next_cursor !== null };
    },
  });

export const approvalQuery = (approvalId: string | null) =>
  queryOptions({
    queryKey: key("approvals", "one", approvalId),
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/device_approvals/{approval_id}", { params: { path: { approval_id: approvalId ?? "" } }, signal })),
    enabled: approvalId !== null,
    staleTime: 0,
  });

/** All that wait at a site. */
export const waitingQuery = (siteId: number | null) =>
  queryOptions({
    queryKey: key("approvals", "waiting", siteId),
    queryFn: async ({ signal }) => {
      const found: Approval[] = [];
      let cursor: string | undefined;
      do {
        const query = { state: "pending", site_id: siteId ?? undefined, limit: MOST, cursor } as const;
        const page = await unwrap(api.GET("/api/device_approvals", { params: { query }, signal }));
        found.push(...page.items);
        cursor = page.next_cursor ?? undefined;
      } while (cursor !== undefined);
      return found;
    },
    enabled: siteId !== null,
    staleTime: 0,
  });

const path = (one: Approval) => ({ path: { approval_id: one.id } });
const TOUCHES = ["approvals", "devices", "sites", "results"] as const;

export const useApprove = () =>
  useApiMutation({
    refusal: "form",
    run: ({ approval, resolve }: { approval: Approval; resolve?: Resolution }) =>
      unwrap(api.POST("/api/device_approvals/{approval_id}/approve", { params: path(approval), body: { resolve } })),
    done: (one) => `“${one.hostname}” is a device of “${one.site_name}” now.`,
    touches: TOUCHES,
  });

export const useDeny = () =>
  useApiMutation({
    refusal: "form",
    run: ({ approval, reason }: { approval: Approval; reason?: string }) =>
      unwrap(api.POST("/api/device_approvals/{approval_id}/deny", { params: path(approval), body: { reason } })),
    done: (one) => `“${one.hostname}” is denied.`,
    touches: TOUCHES,
  });

interface Many {
  ids: string[];
  decision: Decision;
  reason?: string;
}

/** One decision about many; the reply tells of each what became of it. */
export const useDecideMany = () =>
  useApiMutation({
    refusal: "form",
    run: async ({ ids, decision, reason }: Many) => {
      const items: Decided[] = [];
      for (let at = 0; at < ids.length; at += MOST)
        items.push(
          ...(await unwrap(api.POST("/api/device_approvals/bulk", { body: { ids: ids.slice(at, at + MOST), decision, reason } })))
            .items,
        );
      return { items };
    },
    touches: TOUCHES,
  });

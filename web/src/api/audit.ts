import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { key, listQuery } from "./query";

export type AuditEntry = Schemas["AuditEntry"];
export type AuditQuery = Omit<NonNullable<paths["/api/audit"]["get"]["parameters"]["query"]>, "limit" | "cursor">;

const PAGE = 200;

export const auditQuery = (query: AuditQuery) =>
  listQuery<AuditEntry>(key("audit", "list", query), (cursor, signal) =>
    unwrap(api.GET("/api/audit", { params: { query: { ...query, limit: PAGE, cursor } }, signal })),
  );

/** Whom the trail can be asked about. Deleted accounts are in it still, under their names. */
export const actorsQuery = () =>
  queryOptions({
    queryKey: key("operators", "picker"),
    queryFn: async ({ signal }) => (await unwrap(api.GET("/api/operators", { params: { query: { limit: 500 } }, signal }))).items,
  });

/** Where the same rows are to be had as a file. */
export const auditFile = (query: AuditQuery, format: "csv" | "jsonl"): string => {
  const told = new URLSearchParams({ format });
  for (const [name, value] of Object.entries<string | number | null | undefined>(query))
    if (value != null) told.set(name, String(value));
  return `/api/audit/export?${told.toString()}`;
};

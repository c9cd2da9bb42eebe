import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { key, listQuery } from "./query";

export type Hit = Schemas["HitReply"];
export type SearchQuery = Omit<paths["/api/search"]["get"]["parameters"]["query"], "limit" | "cursor">;

export const searchQuery = (query: SearchQuery) =>
  listQuery<Hit>(key("search", "output", query), (cursor, signal) =>
    unwrap(api.GET("/api/search", { params: { query: { ...query, limit: 50, cursor } }, signal })),
  );

export interface Named {
  id: string;
  name: string;
}

/** Jobs that have this in their name, for a picker. */
export const jobNamesQuery = (q: string) =>
  queryOptions({
    queryKey: key("search", "jobs", q),
    queryFn: async ({ signal }): Promise<Named[]> =>
      (await unwrap(api.GET("/api/scheduled_jobs", { params: { query: { q: q || undefined, limit: 20 } }, signal }))).items.map(
        (one) => ({ id: String(one.id), name: one.name }),
      ),
  });

/** Devices that have this in their host name. */
export const deviceNamesQuery = (q: string) =>
  queryOptions({
    queryKey: key("search", "devices", q),
    queryFn: async ({ signal }): Promise<Named[]> =>
      (await unwrap(api.GET("/api/devices", { params: { query: { q: q || undefined, limit: 20 } }, signal }))).items.map(
        (one) => ({
          id: one.id,
          name: one.hostname,
        }),
      ),
  });

export const deviceNameQuery = (deviceId: string) =>
  queryOptions({
    queryKey: key("search", "device", deviceId),
    queryFn: async ({ signal }): Promise<Named> => {
      const params = { path: { device_id: deviceId } };
      const found = await unwrap(api.GET("/api/devices/{device_id}", { params, signal }));
      return { id: found.id, name: found.hostname };
    },
    staleTime: Infinity,
  });

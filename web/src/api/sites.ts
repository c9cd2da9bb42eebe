import { queryOptions, useQuery } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import { key } from "./query";

export type Site = Schemas["SiteReply"];

/** Up to 500 sites by name: for pickers and for the zones of sites. */
export const sitesQuery = () =>
  queryOptions({
    queryKey: key("sites", "all"),
    queryFn: async ({ signal }) => (await unwrap(api.GET("/api/sites", { params: { query: { limit: 500 } }, signal }))).items,
    staleTime: 5 * 60_000,
  });

export const useSites = (): readonly Site[] => useQuery(sitesQuery()).data ?? [];

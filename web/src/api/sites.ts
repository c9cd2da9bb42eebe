import { queryOptions, useQuery } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import { key, listQuery, useApiMutation } from "./query";

export type Site = Schemas["SiteReply"];
export type SiteBody = Schemas["SiteCreate"];

/** Up to 500 sites by name: for pickers and for the zones of sites. */
export const sitesQuery = () =>
  queryOptions({
    queryKey: key("sites", "all"),
    queryFn: async ({ signal }) => (await unwrap(api.GET("/api/sites", { params: { query: { limit: 500 } }, signal }))).items,
    staleTime: 5 * 60_000,
  });

export const useSites = (): readonly Site[] => useQuery(sitesQuery()).data ?? [];

export const siteListQuery = (q: string | undefined) =>
  listQuery<Site>(key("sites", "list", q), (cursor, signal) =>
    unwrap(api.GET("/api/sites", { params: { query: { q, limit: 100, cursor } }, signal })),
  );

const path = (site: { id: number }) => ({ path: { site_id: site.id } });

export const siteQuery = (siteId: number) =>
  queryOptions({
    queryKey: key("sites", "one", siteId),
    queryFn: ({ signal }) => unwrap(api.GET("/api/sites/{site_id}", { params: path({ id: siteId }), signal })),
  });

export const useCreateSite = (onDone: (site: Site) => void) =>
  useApiMutation({
    refusal: "form",
    run: (body: SiteBody, headers) => unwrap(api.POST("/api/sites", { body, headers })),
    done: (site) => `The site “${site.name}” is there.`,
    touches: ["sites"],
    onDone,
  });

export const useUpdateSite = (onDone: (site: Site) => void) =>
  useApiMutation({
    refusal: "form",
    run: ({ site, body }: { site: Site; body: SiteBody }) =>
      unwrap(api.PATCH("/api/sites/{site_id}", { params: path(site), body })),
    done: (site) => `The site “${site.name}” is saved.`,
    touches: ["sites", "devices", "approvals"],
    onDone,
  });

export const useDeleteSite = () =>
  useApiMutation({
    refusal: "form",
    run: (site: Site) => unwrap(api.DELETE("/api/sites/{site_id}", { params: path(site) })),
    done: (_, site) => `The site “${site.name}” is deleted.`,
    touches: ["sites"],
  });

export const useRotateCode = () =>
  useApiMutation({
    refusal: "form",
    run: (site: Site) => unwrap(api.POST("/api/sites/{site_id}/enrolment_code", { params: path(site) })),
    done: (site) => `“${site.name}” has a new enrolment code; the old one is worth nothing.`,
    touches: ["sites"],
  });

export const useSetAutoApproval = () =>
  useApiMutation({
    run: ({ site, minutes }: { site: Site; minutes: number }) =>
      unwrap(api.POST("/api/sites/{site_id}/auto_approval", { params: path(site), body: { minutes } })),
    done: (site, { minutes }) =>
      minutes === 0
        ? `New devices of “${site.name}” wait for a person again.`
        : `New devices of “${site.name}” are approved without asking for ${minutes} min.`,
    touches: ["sites"],
  });

import { infiniteQueryOptions, queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { key, listQuery, useApiMutation } from "./query";

export type Filter = Schemas["FilterReply"];
export type FilterBody = Schemas["FilterBody"];
export type FilterAim = Schemas["FilterAim"];
export type FilterField = Schemas["FieldReply"];
export type FilterPreview = Schemas["FilterPreviewReply"];
export type FilterMatch = Schemas["MatchReply"];
export type FilterUsage = Schemas["UsageReply"];
export type SiteMode = FilterAim["site_mode"];
export type FiltersQuery = Omit<NonNullable<paths["/api/device_filters"]["get"]["parameters"]["query"]>, "limit" | "cursor">;

export const filtersQuery = (query: FiltersQuery) =>
  listQuery<Filter>(key("filters", "list", query), (cursor, signal) =>
    unwrap(api.GET("/api/device_filters", { params: { query: { ...query, limit: 100, cursor } }, signal })),
  );

/** Up to 500 that are in use, by name: for pickers. */
export const filterNamesQuery = () =>
  queryOptions({
    queryKey: key("filters", "names"),
    queryFn: async ({ signal }) =>
      (await unwrap(api.GET("/api/device_filters", { params: { query: { limit: 500 } }, signal }))).items,
  });

const path = (filter: { id: number }) => ({ path: { filter_id: filter.id } });

export const filterQuery = (filterId: number) =>
  queryOptions({
    queryKey: key("filters", "one", filterId),
    queryFn: ({ signal }) => unwrap(api.GET("/api/device_filters/{filter_id}", { params: path({ id: filterId }), signal })),
  });

/** What there is to ask about; custom fields are among it. */
export const filterFieldsQuery = () =>
  queryOptions({
    queryKey: key("filters", "fields"),
    queryFn: async ({ signal }) => (await unwrap(api.GET("/api/device_filters/fields", { signal }))).items,
    staleTime: 5 * 60_000,
  });

export const filterUsageQuery = (filterId: number) =>
  queryOptions({
    queryKey: key("filters", "usage", filterId),
    queryFn: ({ signal }) => unwrap(api.GET("/api/device_filters/{filter_id}/usage", { params: path({ id: filterId }), signal })),
  });

/** Whom criteria that are not saved would find now; null asks nothing. */
export const previewQuery = (aim: FilterAim | null) =>
  infiniteQueryOptions({
    queryKey: key("filters", "preview", aim),
    queryFn: ({ pageParam, signal }) =>
      unwrap(
        api.POST("/api/device_filters/preview", {
          params: { query: { limit: 50, cursor: pageParam ?? undefined } },
          body: aim ?? { criteria: {}, site_mode: "all" },
          signal,
        }),
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page: FilterPreview) => page.next_cursor,
    enabled: aim !== null,
    staleTime: 10_000,
    gcTime: 60_000,
  });

export const useCreateFilter = (onDone: (filter: Filter) => void) =>
  useApiMutation({
    refusal: "form",
    run: (body: FilterBody, headers) => unwrap(api.POST("/api/device_filters", { body, headers })),
    done: (filter) => `The filter “${filter.name}” is saved.`,
    touches: ["filters"],
    onDone,
  });

export const useUpdateFilter = (onDone: (filter: Filter) => void) =>
  useApiMutation({
    refusal: "form",
    run: ({ filter, body }: { filter: Filter; body: FilterBody }) =>
      unwrap(
        api.PUT("/api/device_filters/{filter_id}", {
          params: { ...path(filter), header: { "if-match": `"${filter.revision}"` } },
          body,
        }),
      ),
    done: (filter) => `The filter “${filter.name}” is saved.`,
    touches: ["filters", "jobs", "windows", "devices"],
    onDone,
  });

type Named = Pick<Filter, "id" | "name">;

export const useCloneFilter = (onDone: (filter: Filter) => void) =>
  useApiMutation({
    run: (filter: Named, headers) => unwrap(api.POST("/api/device_filters/{filter_id}/clone", { params: path(filter), headers })),
    done: (copy) => `“${copy.name}” is a copy.`,
    touches: ["filters"],
    onDone,
  });

export const useArchiveFilter = () =>
  useApiMutation({
    refusal: "form",
    run: ({ filter, archived }: { filter: Named; archived: boolean }) =>
      unwrap(api.POST("/api/device_filters/{filter_id}/archive", { params: path(filter), body: { archived } })),
    done: (filter, { archived }) => `“${filter.name}” is ${archived ? "archived" : "in use again"}.`,
    touches: ["filters"],
  });

export const useDeleteFilter = () =>
  useApiMutation({
    refusal: "form",
    run: (filter: Named) => unwrap(api.DELETE("/api/device_filters/{filter_id}", { params: path(filter) })),
    done: (_, filter) => `The filter “${filter.name}” is deleted.`,
    touches: ["filters"],
  });

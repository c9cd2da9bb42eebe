import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { operations, paths } from "./generated/schema";
import { key, listQuery, useApiMutation } from "./query";

/** Maintenance windows and blackouts. */

export type Window = Schemas["WindowReply"];
export type WindowRow = Schemas["WindowRow"];
export type WindowBody = Schemas["WindowBody"];
export type WindowPreview = Schemas["WindowPreviewReply"];
export type WindowsQuery = Omit<NonNullable<paths["/api/windows"]["get"]["parameters"]["query"]>, "limit" | "cursor">;

const PAGE = 100;

export const windowsQuery = (query: WindowsQuery) =>
  listQuery<WindowRow>(key("windows", "list", query), (cursor, signal) =>
    unwrap(api.GET("/api/windows", { params: { query: { ...query, limit: PAGE, cursor } }, signal })),
  );

const path = (windowId: number) => ({ path: { window_id: windowId } });

export const windowQuery = (windowId: number) =>
  queryOptions({
    queryKey: key("windows", "one", windowId),
    queryFn: ({ signal }) => unwrap(api.GET("/api/windows/{window_id}", { params: path(windowId), signal })),
  });

/** When a window is open, or its blackout holds. */
export const windowPreviewQuery = (windowId: number, query: { from?: string; to?: string; site_id?: number } = {}) =>
  queryOptions({
    queryKey: key("windows", "preview", windowId, query),
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/windows/{window_id}/preview", { params: { ...path(windowId), query }, signal })),
  });

/** The same of one that is still being written. */
export const draftPreviewQuery = (body: WindowBody) =>
  queryOptions({
    queryKey: key("windows", "draft", body),
    queryFn: ({ signal }) => unwrap(api.POST("/api/windows/preview", { body, signal })),
    staleTime: 60_000,
    gcTime: 60_000,
    retry: false,
  });

const TOUCHES = ["windows", "occurrences", "jobs"] as const;

export const useSaveWindow = (before: Window | null) =>
  useApiMutation({
    refusal: "form",
    run: (body: WindowBody, headers) =>
      before
        ? unwrap(
            api.PUT("/api/windows/{window_id}", {
              params: { ...path(before.id), header: { "if-match": `"${before.revision}"` } },
              body,
            }),
          )
        : unwrap(api.POST("/api/windows", { body, headers })),
    done: (saved) => `“${saved.name}” is saved, and counts from now on.`,
    touches: TOUCHES,
  });

/** On or off, and nothing else of it. */
export const useToggleWindow = () =>
  useApiMutation({
    run: async ({ window, enabled }: { window: Pick<WindowRow, "id">; enabled: boolean }) => {
      const now = await unwrap(api.GET("/api/windows/{window_id}", { params: path(window.id) }));
      return unwrap(
        api.PUT("/api/windows/{window_id}", {
          params: { ...path(now.id), header: { "if-match": `"${now.revision}"` } },
          body: { ...bodyOf(now), enabled },
        }),
      );
    },
    done: (saved) => `“${saved.name}” is ${saved.enabled ? "on" : "off"}.`,
    touches: TOUCHES,
  });

/** A calendar file, and the window around its events. */
export type ImportWords = Omit<operations["import_window"]["parameters"]["query"], "dry_run">;
export type ImportedCalendar = Schemas["ImportReply"];

const importCalendar = (file: string, query: ImportWords & { dry_run: boolean }): Promise<ImportedCalendar> =>
  unwrap(
    api.POST("/api/windows/import", {
      params: { query },
      body: file,
      bodySerializer: (text) => text,
      headers: { "Content-Type": "text/calendar" },
    }),
  );

/** What a calendar file would become. Nothing is saved. */
export const importPreviewQuery = (file: string, words: ImportWords) =>
  queryOptions({
    queryKey: key("windows", "import", file, words),
    queryFn: () => importCalendar(file, { ...words, dry_run: true }),
    staleTime: 60_000,
    gcTime: 60_000,
    retry: false,
  });

export const useImportCalendar = () =>
  useApiMutation({
    refusal: "form",
    run: ({ file, words }: { file: string; words: ImportWords }) => importCalendar(file, { ...words, dry_run: false }),
    done: (reply) => `“${reply.window?.name ?? "The window"}” is saved, and counts from now on.`,
    touches: TOUCHES,
  });

export const useDeleteWindow = () =>
  useApiMutation({
    refusal: "form",
    run: (window: Pick<WindowRow, "id" | "name">) => unwrap(api.DELETE("/api/windows/{window_id}", { params: path(window.id) })),
    done: (_, window) => `“${window.name}” is deleted. What it covered is free of it.`,
    touches: TOUCHES,
  });

/** What a save of a window as it stands would be given. */
export const bodyOf = (window: Window): WindowBody => ({
  name: window.name,
  description: window.description,
  kind: window.kind,
  zone_source: window.zone_source,
  when_closed: window.when_closed,
  cutoff_seconds: window.cutoff_seconds,
  stop_at_end: window.stop_at_end,
  enabled: window.enabled,
  // Written by the Engine itself in the very shape that it reads.
  spans: window.spans as unknown as WindowBody["spans"],
  attachments: window.attachments as unknown as WindowBody["attachments"],
});

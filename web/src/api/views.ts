import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import { key, useApiMutation } from "./query";

export type View = Schemas["ViewReply"];
export type ViewBody = Schemas["ViewBody"];
export type ScreenName = ViewBody["screen"];

/** One's own views of a screen and those that others share. */
export const viewsQuery = (screen: ScreenName) =>
  queryOptions({
    queryKey: key("views", screen),
    queryFn: async ({ signal }) =>
      (await unwrap(api.GET("/api/views", { params: { query: { screen, limit: 500 } }, signal }))).items,
  });

export const useCreateView = (onDone: (view: View) => void) =>
  useApiMutation({
    run: (body: ViewBody, headers) => unwrap(api.POST("/api/views", { body, headers })),
    done: (view) => `The view “${view.name}” is saved.`,
    touches: ["views"],
    refusal: "form",
    onDone,
  });

export const useUpdateView = () =>
  useApiMutation({
    run: ({ view, body }: { view: View; body: ViewBody }) =>
      unwrap(
        api.PUT("/api/views/{view_id}", {
          params: { path: { view_id: view.id }, header: { "if-match": `"${view.revision}"` } },
          body,
        }),
      ),
    done: (view) => `The view “${view.name}” is saved.`,
    touches: ["views"],
  });

export const useDeleteView = () =>
  useApiMutation({
    run: (view: View) => unwrap(api.DELETE("/api/views/{view_id}", { params: { path: { view_id: view.id } } })),
    done: (_, view) => `The view “${view.name}” is deleted.`,
    touches: ["views"],
  });

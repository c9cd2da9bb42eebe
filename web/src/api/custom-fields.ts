import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import { key } from "./query";

export type CustomField = Schemas["CustomFieldReply"];

/** All of them: there are at most 200. */
export const customFieldsQuery = () =>
  queryOptions({
    queryKey: key("customFields", "all"),
    queryFn: async ({ signal }) => (await unwrap(api.GET("/api/custom_fields", { signal }))).items,
  });

import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { key } from "./query";

export type Calendar = Schemas["CalendarReply"];
export type Stretch = Schemas["CalendarStretch"];
export type Cell = Schemas["CalendarCell"];
export type CalendarQuery = NonNullable<paths["/api/calendar"]["get"]["parameters"]["query"]>;

/** Past and future of all jobs on one axis, counted by hour or day. */
export const calendarQuery = (query: CalendarQuery) =>
  queryOptions({
    queryKey: key("occurrences", "calendar", query),
    queryFn: ({ signal }) => unwrap(api.GET("/api/calendar", { params: { query }, signal })),
  });

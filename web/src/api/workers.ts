import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import { key } from "./query";

export type Workers = Schemas["WorkersReply"];
export type EngineProcess = Schemas["ProcessReply"];
export type Lane = Schemas["LaneReply"];
export type FailedItem = Schemas["FailedItemReply"];

/** No event tells of signs of life: it is asked again while anybody looks. */
const AGAIN_MILLISECONDS = 5_000;

export const workersQuery = () =>
  queryOptions({
    queryKey: key("workers"),
    queryFn: ({ signal }) => unwrap(api.GET("/api/workers", { signal })),
    refetchInterval: AGAIN_MILLISECONDS,
  });

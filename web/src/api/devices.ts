import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { key, listQuery } from "./query";

export type Device = Schemas["DeviceReply"];
export type DevicesQuery = Omit<NonNullable<paths["/api/devices"]["get"]["parameters"]["query"]>, "limit" | "cursor">;

export const devicesQuery = (query: DevicesQuery, limit = 100) =>
  listQuery<Device>(key("devices", "list", query, limit), (cursor, signal) =>
    unwrap(api.GET("/api/devices", { params: { query: { ...query, limit, cursor } }, signal })),
  );

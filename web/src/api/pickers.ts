import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import { key } from "./query";

/** A few things by a part of their name, for fields that take one of them. */

const MOST = 20;

export const devicesByName = (q: string) =>
  queryOptions({
    queryKey: key("devices", "picker", q),
    queryFn: async ({ signal }) =>
      (await unwrap(api.GET("/api/devices", { params: { query: { q: q || undefined, limit: MOST } }, signal }))).items,
  });

export const deviceByName = (deviceId: string) =>
  queryOptions({
    queryKey: key("devices", "picked", deviceId),
    queryFn: ({ signal }) => unwrap(api.GET("/api/devices/{device_id}", { params: { path: { device_id: deviceId } }, signal })),
    enabled: deviceId !== "",
  });

export const filtersByName = () =>
  queryOptions({
    queryKey: key("filters", "picker"),
    queryFn: async ({ signal }) =>
      (await unwrap(api.GET("/api/device_filters", { params: { query: { limit: 500 } }, signal }))).items,
  });

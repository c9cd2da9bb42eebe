import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { key, listQuery, useApiMutation } from "./query";

export type Device = Schemas["DeviceReply"];
export type WholeDevice = Schemas["DeviceWithInventory"];
export type Execution = Schemas["ExecutionWithJob"];
export type Software = Schemas["SoftwareReply"];
export type DevicesQuery = Omit<NonNullable<paths["/api/devices"]["get"]["parameters"]["query"]>, "limit" | "cursor">;
type Named = Pick<Device, "id" | "hostname">;

export const devicesQuery = (query: DevicesQuery, limit = 100) =>
  listQuery<Device>(key("devices", "list", query, limit), (cursor, signal) =>
    unwrap(api.GET("/api/devices", { params: { query: { ...query, limit, cursor } }, signal })),
  );

const path = (device: { id: string }) => ({ path: { device_id: device.id } });

/** No event tells of handshakes: while its tunnel is asked to be open, the device is read again. */
const TUNNEL_MILLISECONDS = 5_000;
const hasOpenTunnel = (device: WholeDevice | undefined): boolean =>
  device?.tunnel?.open_until != null && new Date(device.tunnel.open_until).getTime() > Date.now();

export const deviceQuery = (deviceId: string) =>
  queryOptions({
    queryKey: key("devices", "one", deviceId),
    queryFn: ({ signal }) => unwrap(api.GET("/api/devices/{device_id}", { params: path({ id: deviceId }), signal })),
    refetchInterval: (query) => (hasOpenTunnel(query.state.data) ? TUNNEL_MILLISECONDS : false),
  });

/** What ran on it, newest first. */
export const executionsQuery = (deviceId: string, limit = 100) =>
  listQuery<Execution>(key("runs", "onDevice", deviceId, limit), (cursor, signal) =>
    unwrap(
      api.GET("/api/devices/{device_id}/executions", {
        params: { ...path({ id: deviceId }), query: { limit, cursor } },
        signal,
      }),
    ),
  );

export const softwareQuery = (deviceId: string, q: string | undefined) =>
  listQuery<Software>(key("devices", "software", deviceId, q), (cursor, signal) =>
    unwrap(
      api.GET("/api/devices/{device_id}/software", {
        params: { ...path({ id: deviceId }), query: { q, limit: 200, cursor } },
        signal,
      }),
    ),
  );

/** Jobs whose targets this device is among now, and those that leave it out. */
export const targetingQuery = (deviceId: string) =>
  queryOptions({
    queryKey: key("jobs", "ofDevice", deviceId),
    queryFn: ({ signal }) => unwrap(api.GET("/api/devices/{device_id}/jobs", { params: path({ id: deviceId }), signal })),
  });

export const useUpdateDevice = (onDone: () => void) =>
  useApiMutation({
    refusal: "form",
    run: ({ device, body }: { device: Named; body: Schemas["DeviceUpdate"] }) =>
      unwrap(api.PATCH("/api/devices/{device_id}", { params: path(device), body })),
    done: (device) => `“${device.hostname}” is saved.`,
    touches: ["devices", "sites", "jobs"],
    onDone,
  });

export type TagsChange = Pick<Schemas["TagsChange"], "device_ids" | "add" | "remove">;

export const countTags = (change: TagsChange): Promise<Schemas["TagsChanged"]> =>
  unwrap(api.POST("/api/devices/tags", { body: { ...change, dry_run: true } }));

export const useChangeTags = (done: (changed: number) => string) =>
  useApiMutation({
    refusal: "form",
    run: (change: TagsChange) => unwrap(api.POST("/api/devices/tags", { body: { ...change, dry_run: false } })),
    done: (reply) => done(reply.changed),
    touches: ["devices", "jobs"],
  });

export type CustomValues = Schemas["CustomValuesUpdate"]["values"];

export const useSetCustomValues = (onDone: () => void) =>
  useApiMutation({
    refusal: "form",
    run: ({ device, values }: { device: Named; values: CustomValues }) =>
      unwrap(api.PUT("/api/devices/{device_id}/custom_values", { params: path(device), body: { values } })),
    done: (device) => `The custom fields of “${device.hostname}” are saved.`,
    touches: ["devices", "customFields", "jobs"],
    onDone,
  });

export type StatusVerb = "enable" | "disable" | "revoke";
const SAID: Readonly<Record<StatusVerb, string>> = { enable: "is enabled", disable: "is disabled", revoke: "is revoked" };

const setStatus = (device: Named, verb: StatusVerb): Promise<Device> => {
  const params = path(device);
  if (verb === "enable") return unwrap(api.POST("/api/devices/{device_id}/enable", { params }));
  if (verb === "disable") return unwrap(api.POST("/api/devices/{device_id}/disable", { params }));
  return unwrap(api.POST("/api/devices/{device_id}/revoke", { params }));
};

export const useSetStatus = () =>
  useApiMutation({
    refusal: "form",
    run: ({ device, verb }: { device: Named; verb: StatusVerb }) => setStatus(device, verb),
    done: (device, { verb }) => `“${device.hostname}” ${SAID[verb]}.`,
    touches: ["devices", "sites", "jobs", "runs", "waiting"],
  });

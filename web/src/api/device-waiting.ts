import { api, type Schemas, unwrap } from "./client";
import { key, listQuery, useApiMutation } from "./query";

export type WaitingRow = Schemas["WaitingReply"];

/** What waits for one device, across jobs; what expires next comes first. */
export const deviceWaitingQuery = (deviceId: string) =>
  listQuery<WaitingRow>(key("waiting", "device", deviceId), (cursor, signal) =>
    unwrap(api.GET("/api/waiting", { params: { query: { device_id: deviceId, limit: 50, cursor } }, signal })),
  );

interface Purge {
  device: { id: string; hostname: string };
  reason: string;
  expected: number;
}

/** How many rows would be withdrawn. */
export const countWaiting = async (deviceId: string): Promise<number> => {
  const body = { device_id: deviceId, reason: "counting", dry_run: true, everything: false };
  return (await unwrap(api.POST("/api/waiting/purge", { body }))).rows;
};

export const usePurgeWaiting = () =>
  useApiMutation({
    refusal: "form",
    run: ({ device, reason, expected }: Purge) =>
      unwrap(
        api.POST("/api/waiting/purge", {
          body: { device_id: device.id, reason, expected, dry_run: false, everything: false },
        }),
      ),
    done: (reply, { device }) => `${reply.rows.toLocaleString("en")} waiting for “${device.hostname}” withdrawn.`,
    touches: ["waiting", "runs", "jobs", "occurrences"],
  });

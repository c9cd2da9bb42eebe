import { api, type Schemas, unwrap } from "./client";
import { useApiMutation } from "./query";

export type ServiceAccount = Schemas["ServiceAccountReply"];
export type AccountVerb = "create" | "rotate" | "remove";
type Named = { id: string; hostname: string };

const SAID: Readonly<Record<AccountVerb, string>> = {
  create: "is to get its service account",
  rotate: "is to change the key of its service account",
  remove: "is to remove its service account",
};

const change = (device: Named, verb: AccountVerb): Promise<ServiceAccount> => {
  const params = { path: { device_id: device.id } };
  if (verb === "create") return unwrap(api.POST("/api/devices/{device_id}/service_account", { params }));
  if (verb === "rotate") return unwrap(api.POST("/api/devices/{device_id}/service_account/rotate", { params }));
  return unwrap(api.DELETE("/api/devices/{device_id}/service_account", { params }));
};

export const useChangeAccount = () =>
  useApiMutation({
    refusal: "form",
    run: ({ device, verb }: { device: Named; verb: AccountVerb }) => change(device, verb),
    done: (_, { device, verb }) => `“${device.hostname}” ${SAID[verb]}.`,
    touches: ["devices"],
  });

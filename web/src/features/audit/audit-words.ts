import type { AuditEntry } from "@/api/audit";
import { paths } from "@/lib/paths";

/** The trail in words, and where its objects are. */

export const OBJECT_KINDS = [
  "job",
  "occurrence",
  "run",
  "assembly",
  "file",
  "device",
  "device_approval",
  "device_filter",
  "custom_field",
  "site",
  "window",
  "variable",
  "notification_channel",
  "notification_rule",
  "operator",
  "session",
  "api_token",
  "view",
  "outage",
  "storm_guard",
  "engine_key",
] as const;

export const kindInWords = (kind: string): string => kind.replaceAll("_", " ");

/** `job.clear_history` → `Clear history`; the object is told beside it. */
export const actionInWords = (action: string): string => {
  const verb = action.slice(action.indexOf(".") + 1).replaceAll("_", " ");
  return verb.charAt(0).toUpperCase() + verb.slice(1);
};

const byNumber = (text: string, path: (id: number) => string): string | null => (/^\d+$/.test(text) ? path(Number(text)) : null);

/** The page of what it was done to; null where there is none. */
export const pageOf = (one: Pick<AuditEntry, "object_kind" | "object_id" | "detail">): string | null => {
  const id = one.object_id;
  if (!id) return null;
  switch (one.object_kind) {
    case "job":
      return byNumber(id, paths.job);
    case "occurrence":
      return typeof one.detail["job_id"] === "number" ? paths.jobRun(one.detail["job_id"], id) : null;
    case "assembly":
      return paths.assembly(id);
    case "device":
      return paths.device(id);
    case "device_filter":
      return byNumber(id, paths.filter);
    case "site":
      return byNumber(id, paths.site);
    case "window":
      return byNumber(id, paths.window);
    case "outage":
      return paths.away({ outage: id });
    default:
      return null;
  }
};

/** What it is called, where the entry says so. */
export const nameOf = (one: Pick<AuditEntry, "object_kind" | "object_id" | "detail">): string => {
  const told = ["name", "hostname", "username"].map((field) => one.detail[field]).find((value) => typeof value === "string");
  return typeof told === "string" ? told : (one.object_id ?? "");
};

/** `revision: 3, kind: deny`: what the entry says beside the name, on one line. */
export const detailInWords = (detail: Readonly<Record<string, unknown>>): string =>
  Object.entries(detail)
    .filter(([name, value]) => !["name", "hostname", "username"].includes(name) && value !== null && value !== "")
    .map(([name, value]) => `${name.replaceAll("_", " ")}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .join(", ");

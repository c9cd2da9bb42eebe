import { duration } from "@/lib/time";
import { isSet } from "./form";

/** How a field of a job and its value are called where a change is told. */

const LABELS: Readonly<Record<string, string>> = {
  name: "Name",
  components: "Assemblies",
  targets: "Targets",
  exclusions: "Exclusions",
  description: "Description",
  tags: "Tags",
  enabled: "Enabled",
  execution_context: "Execution context",
  credential_id: "Credential",
  use_service_account: "Service account",
  credential_ids: "Credentials",
  "targets.0.site_id": "Site",
  "targets.0.entries": "Addresses",
  "targets.0.exclusions": "Addresses left out",
  "components.0.platform": "Platform",
  "components.0.install_branch": "Install branch",
  "components.0.ssh_port": "SSH port",
  "components.0.winrm_port": "WinRM port",
  "components.0.smb_port": "SMB port",
  "components.0.concurrency": "Machines at once",
  "schedule.type": "Schedule",
  "schedule.timezone": "Time zone",
  "schedule.timezone_source": "Whose clocks",
  "schedule.start": "First time",
  "schedule.end": "Ends",
  "schedule.count": "Ends after",
  "schedule.expression": "Cron expression",
  "schedule.rule": "Rule",
  "schedule.exdate": "Dates left out",
  "schedule.rdate": "Further dates",
  "duration.time_limit_seconds": "Time limit of a device",
  "duration.expires_after_seconds": "Waited for",
  "duration.run_limit_seconds": "Time limit of the run",
  "policies.overlap": "Overlap",
  "policies.overlap_scope": "Overlap looks at",
  "policies.catch_up": "Missed times",
  "policies.catch_up_window_seconds": "Missed times count for",
  "policies.offline": "Devices that are off",
  "policies.splay_seconds": "Spread of the starts",
  "policies.splay_mode": "Delays",
  "policies.retries": "Retries",
  "policies.retry_delay_seconds": "Pause before a retry",
  "policies.retry_on": "Tried again",
  "policies.continue_on_failure": "Go on after a failure",
  "policies.concurrency": "Devices at once",
  "policies.site_concurrency": "Devices at once in a site",
  "policies.waves": "Waves",
  "policies.failure_threshold_percent": "Failures that are accepted",
  "policies.no_targets": "No device found",
  "policies.max_change_percent": "Hold if devices differ by",
  "policies.max_change_devices": "Hold if devices differ by",
  "policies.no_user_session": "Nobody signed in",
  "policies.interrupted": "Worker died",
};

const sentence = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1).replaceAll("_", " ");

export const fieldInWords = (given: string): string => {
  const field = given.replace(/^targets\.onboarding_scope\./, "targets.0."); // as the API's revisions call it
  const label = LABELS[field];
  if (label) return label;
  const line = /^targets\.0\.(entries|exclusions)\.(\d+)$/.exec(field);
  if (line) return `${LABELS[`targets.0.${line[1] ?? ""}`] ?? ""}, line ${String(Number(line[2]) + 1)}`;
  const place = /^credential_ids\.(\d+)$/.exec(field)?.[1];
  if (place !== undefined) return `Credential ${String(Number(place) + 1)}`;
  const [, at, ...rest] = /^components\.(\d+)\.?(.*)$/.exec(field) ?? [];
  if (at !== undefined) {
    const inner = (rest[0] ?? "").replace(/^variables\./, "").replace("assembly_id", "assembly");
    return `Component ${String(Number(at) + 1)}${inner ? ` · ${inner}` : ""}`;
  }
  if (field === "targets.order" || field === "exclusions.order") return "Order of the targets";
  if (field.startsWith("targets")) return "Target";
  if (field.startsWith("exclusions")) return "Exclusion";
  if (field.startsWith("policies.waves.")) return `Waves · ${field.slice(15).replaceAll("_", " ").replaceAll(".", " · ")}`;
  return sentence(field.replace(/^(policies|duration|schedule)\./, ""));
};

/** A value as it reads beside its field; targets and assemblies are named by whoever shows them. */
export const valueInWords = (field: string, value: unknown): string => {
  if (value === null || value === undefined || value === "") return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") {
    if (field.endsWith("_seconds")) return duration(value);
    return field.endsWith("_percent") ? `${String(value)} %` : value.toLocaleString("en");
  }
  if (typeof value === "string") return field.startsWith("policies.") ? value.replaceAll("_", " ") : value;
  if (Array.isArray(value)) return value.length ? value.map((one) => valueInWords("", one)).join(", ") : "–";
  if (typeof value === "object" && "is_set" in value) return isSet(value) ? "a secret" : "another secret";
  return JSON.stringify(value);
};

import type { components } from "../src/api/generated/schema";

/** What there is in the mock Engine: typed by the API's document, so that a change of the API is an error here. */

type Schemas = components["schemas"];
export type Job = Schemas["JobListItem"];

const HOUR = 3_600_000;
export const at = (hours: number): string => new Date(Date.now() + hours * HOUR).toISOString();
export const uuid = (number: number): string => `00000000-0000-4000-8000-${number.toString(16).padStart(12, "0")}`;

export const SESSION: Schemas["SessionReply"] = {
  operator: { id: 1, username: "mara", display_name: "Mara Holm", role: "admin" },
  permissions: [
    "read",
    "jobs:write",
    "jobs:run",
    "run_as_system",
    "assemblies:write",
    "devices:write",
    "approvals:decide",
    "sites:write",
    "operators:write",
    "services:write",
    "audit:read",
    "windows:write",
    "custom_fields:write",
    "filters:write",
    "notifications:write",
    "channels:write",
    "variables:write",
    "credentials:write",
    "windows:override",
  ],
  site_ids: null,
  must_change_password: false,
  csrf_token: "mock",
  expires_at: at(12),
};

export const SITES: Schemas["SiteReply"][] = ["Harbour", "Lighthouse", "Yard"].map((name, place) => ({
  id: place + 1,
  name,
  description: "",
  timezone: "Europe/Berlin",
  auto_approve_until: null,
  device_count: 40 * (place + 1),
  online_count: 37 * (place + 1),
  enrolment_code: "MOCK-CODE",
  enrolment_command: "watchbill-agent enroll --server https://watchbill.test --code MOCK-CODE",
  install_command: "curl -fsS https://watchbill.test/install.sh | sudo sh -s -- --server https://watchbill.test --code MOCK-CODE",
  enrolment_code_rotated_at: at(-900),
  created_at: at(-2000),
  updated_at: at(-900),
}));

const ACTIONS = ["update", "delete", "rerun", "toggle", "cancel", "clone"];
const OUTCOMES = ["success", "success", "warning", "success", "failed"];

const job = (id: number): Job => {
  const outcome = OUTCOMES[id % OUTCOMES.length] ?? "success";
  const recent = Array.from({ length: 10 }, (_, place) => ({
    id: uuid(id * 100 + place),
    scheduled_for_at: at(-24 * (place + 1)),
    state: "closed",
    outcome: place === 0 ? outcome : "success",
  }));
  return {
    id,
    revision: 1,
    name: `Nightly round ${id}`,
    description: "",
    tags: id % 3 === 0 ? ["night"] : [],
    job_kind: "automation",
    components: [{ assembly_id: uuid(1), kind: "script", revision: "latest", role: "run" }],
    schedule: { type: "daily", start: "2026-01-01T03:00", timezone: "Europe/Berlin", timezone_source: "fixed" },
    execution_context: "system",
    use_service_account: false,
    schedule_text: "Every day at 03:00 (Europe/Berlin).",
    enabled: true,
    state: "active",
    state_reason: null,
    paused_until: null,
    next_due_at: at(id % 24),
    last_run_at: at(-24),
    last_occurrence: { id: uuid(id * 100), scheduled_for_at: at(-24), state: "closed", outcome, counts: { [outcome]: 12 } },
    recent_outcomes: recent,
    waiting_count: id % 4,
    missed_count: id % 7 === 0 ? 1 : 0,
    missed_span_seconds: 604_800,
    drift: null,
    will_not_fire: null,
    target_summary: { devices: 12, excluded: 0, online: 11, filters: [], sites: [], all_devices: false },
    created_by: "mara",
    updated_by: "mara",
    created_at: at(-2000),
    updated_at: at(-id),
    allowed_actions: ACTIONS.map((action) => ({ action, allowed: true, reason: null })),
  };
};

/** `MOCK_JOBS=10000 npm run dev:mock` shows how a long list feels. */
export const createJobs = (number: number): Map<number, Job> =>
  new Map(Array.from({ length: number }, (_, place) => [place + 1, job(place + 1)]));

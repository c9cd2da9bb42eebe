import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import {
  addedComponent,
  bodyOf,
  canonical,
  copyOf,
  DEFAULT_POLICIES,
  draftOf,
  isSame,
  newDraft,
  READ_ONLY,
  shownOf,
  withComponents,
} from "./form";

interface Schema {
  properties: Record<string, { default?: unknown }>;
}
const schema = (name: string): Schema => {
  const document = JSON.parse(readFileSync("src/api/generated/openapi.json", "utf8")) as {
    components: { schemas: Record<string, Schema> };
  };
  const found = document.components.schemas[name];
  if (!found) throw new Error(`there is no ${name}`);
  return found;
};

const DEFINITION = {
  name: "Clear print spool",
  description: "Keeps the printers going.",
  tags: ["night"],
  job_kind: "automation" as const,
  components: [
    {
      assembly_id: "a0000000-0000-0000-0000-000000000001",
      kind: "script" as const,
      revision: 3,
      role: "check" as const,
      not_compliant_exit_codes: [1, 2],
      variables: { MaxAge: 8, Token: { is_set: true }, Empty: "" },
    },
    {
      assembly_id: "a0000000-0000-0000-0000-000000000002",
      kind: "script" as const,
      revision: "latest" as const,
      role: "run" as const,
      variables: {},
    },
  ],
  targets: [
    { kind: "device" as const, device_id: "d0000000-0000-0000-0000-000000000001" },
    { kind: "filter" as const, filter_id: 7 },
    { kind: "all_devices" as const },
  ],
  exclusions: [{ kind: "site" as const, site_id: 3 }],
  schedule: {
    type: "rrule",
    timezone: "Europe/Berlin",
    start: "2026-05-04T07:00",
    end: null,
    count: 12,
    rule: "FREQ=WEEKLY;BYDAY=MO,WE",
    exdate: ["2026-05-06T07:00"],
  },
  execution_context: "current_user" as const,
  credential_id: null,
  use_service_account: false as const,
  duration: { time_limit_seconds: 600, expires_after_seconds: null, run_limit_seconds: 7200 },
  policies: {
    ...DEFAULT_POLICIES,
    overlap: "queue_one" as const,
    retries: 2,
    retry_delay_seconds: 30,
    continue_on_failure: true,
    no_user_session: "wait" as const,
    waves: {
      sizes: [1, "10%"],
      soak_seconds: 60,
      promote: "manual" as const,
      order_by: "site" as const,
      reversed: true,
      canary: { tag: "canary", targets: [], if_none: "go_on" as const },
      stop: { failed_percent: 20, least_results: 5, cancel_running: true },
    },
  },
};

const withoutNulls = (value: unknown): string =>
  canonical(JSON.parse(JSON.stringify(value, (_, one: unknown) => one ?? undefined)));

it("gives a reply back as it came", () => {
  expect(withoutNulls(bodyOf(draftOf(DEFINITION)))).toBe(withoutNulls(DEFINITION));
});

it("keeps what it does not know, everywhere", () => {
  const [first] = DEFINITION.components;
  const strange = {
    ...DEFINITION,
    colour: "teal",
    components: [{ ...first, shell: "fish" }],
    schedule: { ...DEFINITION.schedule, tide: "low" },
    duration: { ...DEFINITION.duration, patience: 3 },
    policies: {
      ...DEFINITION.policies,
      continue_on_failure: false,
      mood: "calm",
      waves: { ...DEFINITION.policies.waves, foam: 1 },
    },
  };
  expect(withoutNulls(bodyOf(draftOf(strange as never)))).toBe(withoutNulls(strange));
});

it("sends nothing that a reply only tells", () => {
  const told = Object.keys(schema("JobReply").properties).filter((one) => !(one in schema("JobBody").properties));
  expect(told.filter((one) => !READ_ONLY.includes(one))).toEqual([]);
  const reply = { ...DEFINITION, ...Object.fromEntries(told.map((one) => [one, "told"])) };
  expect(isSame(draftOf(reply as never), draftOf(DEFINITION))).toBe(true);
});

it("begins with the API's own defaults", () => {
  const said = Object.fromEntries(
    Object.entries(schema("JobPolicies").properties).map(([name, one]) => [name, one.default ?? null]),
  );
  expect(DEFAULT_POLICIES).toEqual(said);
});

it("sends of a schedule what its type takes, and keeps the rest for whoever goes back", () => {
  const draft = draftOf(DEFINITION);
  const daily = { ...draft, schedule: { ...draft.schedule, type: "daily" } };
  expect(bodyOf(daily).schedule).toEqual({
    type: "daily",
    timezone: "Europe/Berlin",
    start: "2026-05-04T07:00",
    end: null,
    count: 12,
  });
  expect(bodyOf({ ...daily, schedule: { ...daily.schedule, type: "rrule" } }).schedule["rule"]).toBe("FREQ=WEEKLY;BYDAY=MO,WE");
  const following = { ...draft.schedule, timezone_source: "site" as const };
  expect(bodyOf({ ...draft, schedule: following }).schedule).not.toHaveProperty("timezone");
  expect(bodyOf(newDraft("UTC")).schedule).toEqual({ type: null, timezone: "UTC" });
});

it("does not send what is hidden because it has no effect", () => {
  const draft = draftOf(DEFINITION);
  const changed = {
    ...draft,
    components: draft.components.slice(0, 1),
    execution_context: "system" as const,
    policies: { ...draft.policies, retries: 0 },
  };
  const { policies } = bodyOf(changed);
  expect(policies).toMatchObject({ retry_delay_seconds: 60, continue_on_failure: false, no_user_session: "skip" });
});

it("sends a secret that was typed and shows it nowhere", () => {
  const draft = draftOf(DEFINITION);
  const [first] = draft.components;
  if (!first) throw new Error("components");
  const typed = { ...draft, components: [{ ...first, variables: { Token: { typed_secret: "horse" } } }] };
  expect(bodyOf(typed).components[0]).toMatchObject({ variables: { Token: "horse" } });
  expect(JSON.stringify(shownOf(typed))).not.toContain("horse");
  expect(isSame(typed, draft)).toBe(false);
});

it("copies a job without its secrets, and names them", () => {
  const { draft, secrets } = copyOf(DEFINITION);
  expect(secrets).toEqual(["Token"]);
  expect(draft.name).toBe("Copy of Clear print spool");
  expect(draft.components[0]?.variables).toEqual({ MaxAge: 8, Empty: "" });
});

it("takes a context in which what was chosen can run", () => {
  const [playbook, script] = [addedComponent({ id: "p", kind: "playbook" }), addedComponent({ id: "s", kind: "script" })];
  expect(withComponents([playbook], "system").execution_context).toBe("ssh_individual");
  expect(withComponents([playbook], "winrm").execution_context).toBe("winrm");
  expect(withComponents([script], "winrm").execution_context).toBe("system");
  expect(withComponents([script], "current_user").execution_context).toBe("current_user");
  expect(withComponents([], "ssh").execution_context).toBe("ssh");
  expect(bodyOf({ ...newDraft("UTC"), components: [playbook] }).components[0]?.kind).toBe("playbook");
});

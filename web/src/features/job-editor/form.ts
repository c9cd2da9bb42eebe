import type { JobBody, JobToSave } from "@/api/job-editor";
import type { JobReply } from "@/api/jobs";
import { isRemote } from "@/lib/kinds";
import { sentLogin } from "./login";
import {
  isOnboardingComponent,
  isOnboardingScope,
  newOnboarding,
  type OnboardingComponent,
  type OnboardingDraft,
  onboardingDraft,
  type OnboardingScope,
  sentOnboarding,
} from "./onboarding-form";
import { launchesWorkflow, sentWorkflow } from "./workflow-form";

/**
 * The job as the form holds it: from the API's reply to a draft, and back to what a save sends. What the form does not show goes
 * through it untouched, in `rest`.
 */

export type Policies = NonNullable<JobBody["policies"]>;
export type Waves = NonNullable<Policies["waves"]>;
export type Duration = NonNullable<JobBody["duration"]>;
export type Target = Exclude<NonNullable<JobBody["targets"]>[number], OnboardingScope>;
export type Exclusion = NonNullable<JobBody["exclusions"]>[number];
export type Component = Exclude<JobBody["components"][number], OnboardingComponent>;
export type Context = NonNullable<JobBody["execution_context"]>;
type Rest = Readonly<Record<string, unknown>>;

/** A secret as it was just typed: kept apart, so that it is nowhere shown as the text that it is. */
export interface TypedSecret {
  typed_secret: string;
  /** There is one already, which stays while nothing is typed. */
  was_set?: boolean;
}

export interface ComponentDraft {
  kind: Component["kind"];
  /** Of this draft alone: tells a component from the others while it moves. */
  key: string;
  assembly_id: string;
  revision: number | "latest";
  role: "run" | "check";
  /** Empty = the usual ones. */
  not_compliant_exit_codes: readonly number[];
  variables: Readonly<Record<string, unknown>>;
  rest: Rest;
}

export interface ScheduleDraft {
  /** Empty = not chosen yet. */
  type: string;
  timezone: string;
  timezone_source: "fixed" | "site" | "device";
  start: string;
  end: string;
  count: number | null;
  expression: string;
  rule: string;
  exdate: readonly string[];
  rdate: readonly string[];
  rest: Rest;
}

export interface Draft {
  name: string;
  description: string;
  tags: readonly string[];
  components: readonly ComponentDraft[];
  targets: readonly Target[];
  exclusions: readonly Exclusion[];
  schedule: ScheduleDraft;
  execution_context: Context;
  duration: Duration;
  policies: Policies;
  /** null = as it is; of a new job: enabled. */
  enabled: boolean | null;
  /** Of a job that brings machines under management: then components, targets and context have no meaning. */
  onboarding: OnboardingDraft | null;
  rest: Rest;
}

/** The API's own defaults; a test compares them with its document. */
export const DEFAULT_POLICIES: Policies = {
  overlap: "skip",
  overlap_scope: "device",
  catch_up: "latest",
  catch_up_window_seconds: null,
  offline: "wait",
  splay_seconds: 0,
  splay_mode: "fixed",
  retries: 0,
  retry_delay_seconds: 60,
  retry_on: ["failed", "timed_out"],
  continue_on_failure: false,
  concurrency: null,
  site_concurrency: null,
  waves: null,
  failure_threshold_percent: 0,
  no_targets: "skip",
  max_change_percent: null,
  max_change_devices: null,
  no_user_session: "skip",
  interrupted: "lost",
};

/** A brake that stops a rollout which goes wrong, as one would want it; without any number there is none. */
export const FIRST_WAVES: Waves = {
  sizes: ["10%", "50%"],
  soak_seconds: 600,
  promote: "auto",
  order_by: "hostname",
  reversed: false,
  canary: null,
  stop: { failed_percent: 20, least_results: 5, cancel_running: false },
};

/** What a reply says beyond the definition; none of it is sent back. */
export const READ_ONLY: readonly string[] = [
  "id",
  "revision",
  "state",
  "state_reason",
  "paused_until",
  "next_due_at",
  "schedule_text",
  "last_run_at",
  "last_occurrence",
  "recent_outcomes",
  "waiting_count",
  "missed_count",
  "missed_span_seconds",
  "drift",
  "will_not_fire",
  "target_summary",
  "created_by",
  "updated_by",
  "created_at",
  "updated_at",
  "allowed_actions",
  "warnings",
  // and of a revision
  "changed_by",
  "changed_at",
  "changes",
];

let lastKey = 0;
export const newKey = (): string => `c${String(++lastKey)}`;

const asText = (value: unknown): string => (typeof value === "string" ? value : "");
const asTexts = (value: unknown): string[] => (Array.isArray(value) ? value.filter((one) => typeof one === "string") : []);

export const newDraft = (timezone: string): Draft => ({
  name: "",
  description: "",
  tags: [],
  components: [],
  targets: [],
  exclusions: [],
  schedule: scheduleDraft({ timezone }),
  execution_context: "system",
  duration: {},
  policies: DEFAULT_POLICIES,
  enabled: null,
  onboarding: null,
  rest: {},
});

/** A job that looks for machines at a site, once and at once unless somebody says otherwise. */
export const newOnboardingDraft = (timezone: string, siteId: number | null): Draft => ({
  ...newDraft(timezone),
  schedule: scheduleDraft({ type: "immediately", timezone }),
  onboarding: newOnboarding(siteId),
});

type Definition = Partial<Omit<JobReply, "schedule">> & { schedule?: Readonly<Record<string, unknown>> };

/** From a reply, a revision, or what a save would send. */
export const draftOf = (job: Definition): Draft => {
  const { name, description, tags, components, targets, exclusions, schedule, execution_context, duration, policies, ...more } =
    job;
  return {
    name: name ?? "",
    description: description ?? "",
    tags: tags ?? [],
    components: (components ?? []).flatMap((one) => (isOnboardingComponent(one) ? [] : [componentDraft(one)])),
    targets: (targets ?? []).flatMap((one) => (isOnboardingScope(one) ? [] : [one])),
    exclusions: exclusions ?? [],
    schedule: scheduleDraft(schedule ?? {}),
    execution_context: execution_context ?? "system",
    duration: duration ?? {},
    policies: { ...DEFAULT_POLICIES, ...policies },
    enabled: null,
    onboarding: onboardingDraft(job),
    rest: Object.fromEntries(Object.entries(more).filter(([one]) => one !== "enabled" && !READ_ONLY.includes(one))),
  };
};

const componentDraft = (component: Component): ComponentDraft => {
  const { kind, assembly_id, revision, role, not_compliant_exit_codes, variables, ...rest } = component;
  return {
    kind,
    key: newKey(),
    assembly_id,
    revision,
    role,
    not_compliant_exit_codes: not_compliant_exit_codes ?? [],
    variables: variables ?? {},
    rest,
  };
};

export const addedComponent = ({ id, kind }: { id: string; kind: Component["kind"] }): ComponentDraft =>
  componentDraft({ assembly_id: id, kind, revision: "latest", role: "run", variables: {} });

export const LOCAL_CONTEXTS: readonly Context[] = ["system", "current_user"];
export const REMOTE_CONTEXTS: readonly Context[] = ["ssh_individual", "ssh", "winrm_individual", "winrm"];

export const hasPlaybooks = ({ components }: Pick<Draft, "components">): boolean => components[0]?.kind === "playbook";

/** These components, and a context in which they run: the one that was chosen, where it will do. */
export const withComponents = (components: readonly ComponentDraft[], context: Context) => {
  const fitting = hasPlaybooks({ components }) ? REMOTE_CONTEXTS : LOCAL_CONTEXTS;
  const fits = components.length === 0 || fitting.includes(context);
  return { components, execution_context: fits ? context : (fitting[0] ?? context) };
};

const scheduleDraft = (schedule: Readonly<Record<string, unknown>>): ScheduleDraft => {
  const { type, timezone, timezone_source, start, end, count, expression, rule, exdate, rdate, ...rest } = schedule;
  return {
    type: asText(type),
    timezone: asText(timezone),
    timezone_source: timezone_source === "site" || timezone_source === "device" ? timezone_source : "fixed",
    start: asText(start),
    end: asText(end),
    count: typeof count === "number" ? count : null,
    expression: asText(expression),
    rule: asText(rule),
    exdate: asTexts(exdate),
    rdate: asTexts(rdate),
    rest,
  };
};

/** A draft like a job under another name; its secrets cannot come along, and are named. */
export const copyOf = (job: Definition): { draft: Draft; secrets: string[] } => {
  const draft = draftOf(job);
  const secrets = draft.components.flatMap((one) => Object.keys(one.variables).filter((name) => isSet(one.variables[name])));
  const components = draft.components.map((one) => ({
    ...one,
    variables: Object.fromEntries(Object.entries(one.variables).filter(([, value]) => !isSet(value))),
  }));
  return { draft: { ...draft, components, name: `Copy of ${draft.name}`.slice(0, 200) }, secrets };
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** How the API shows a secret that is kept. */
export const isSet = (value: unknown): boolean => isRecord(value) && value["is_set"] === true;

export const isTypedSecret = (value: unknown): value is TypedSecret =>
  isRecord(value) && typeof value["typed_secret"] === "string";

/** Without secrets that were typed: as differences show it, and as drafts are compared. */
export const shownOf = (draft: Draft): JobToSave => build(draft, (value) => secretOr(value, () => ({ is_set: "anew" })));

/** With typed secrets still apart: what `draftOf` reads back. */
export const keptOf = (draft: Draft): JobToSave => build(draft, (value) => value);

/** What a save sends. */
export const bodyOf = (draft: Draft): JobToSave => build(draft, (value) => secretOr(value, (typed) => typed));

const secretOr = (value: unknown, tell: (typed: string) => unknown): unknown => {
  if (!isTypedSecret(value)) return value;
  if (value.typed_secret) return tell(value.typed_secret);
  return value.was_set ? { is_set: true } : null;
};

const build = (draft: Draft, valueOf: (value: unknown) => unknown): JobToSave => ({
  job_kind: "automation",
  ...draft.rest,
  ...sentLogin(draft.execution_context, draft.rest),
  name: draft.name.trim(),
  description: draft.description,
  tags: [...draft.tags],
  components: draft.components.map((one) => componentOf(one, valueOf)),
  targets: [...draft.targets],
  exclusions: [...draft.exclusions],
  schedule: scheduleOf(draft.schedule),
  execution_context: draft.execution_context,
  duration: draft.duration,
  policies: policiesOf(draft),
  ...(draft.enabled === null ? {} : { enabled: draft.enabled }),
  ...(launchesWorkflow(draft) ? sentWorkflow(draft.policies, DEFAULT_POLICIES) : {}),
  ...(draft.onboarding ? sentOnboarding(draft.onboarding) : {}),
});

const componentOf = (draft: ComponentDraft, valueOf: (value: unknown) => unknown): Component => ({
  ...draft.rest,
  kind: draft.kind,
  assembly_id: draft.assembly_id,
  revision: draft.revision,
  role: draft.role,
  ...(draft.role === "check" && draft.not_compliant_exit_codes.length > 0
    ? { not_compliant_exit_codes: [...draft.not_compliant_exit_codes] }
    : {}),
  variables: Object.fromEntries(Object.entries(draft.variables).map(([name, value]) => [name, valueOf(value)])),
});

/** What has no effect is refused by the API; what the form hides for that reason is sent as usual. */
const policiesOf = ({ policies, components, execution_context }: Draft): Policies => ({
  ...policies,
  continue_on_failure: components.length > 1 && policies.continue_on_failure,
  no_user_session: execution_context === "current_user" ? policies.no_user_session : "skip",
  interrupted: isRemote(execution_context) ? policies.interrupted : "lost",
  ...(policies.retries ? {} : { retry_delay_seconds: DEFAULT_POLICIES.retry_delay_seconds, retry_on: DEFAULT_POLICIES.retry_on }),
});

const BOUNDS = ["start", "end", "count"] as const;
type Field = (typeof BOUNDS)[number] | "expression" | "rule" | "exdate" | "rdate";

/** Which fields a type of schedule takes beyond its type and its clocks. */
export const fieldsOf = (type: string): readonly Field[] => {
  if (type === "immediately" || type === "") return [];
  if (type === "once") return ["start"];
  if (type === "cron") return [...BOUNDS, "expression"];
  return type === "rrule" ? [...BOUNDS, "rule", "exdate", "rdate"] : BOUNDS;
};

const scheduleOf = (draft: ScheduleDraft): Record<string, unknown> => {
  const clocks =
    draft.timezone_source === "fixed" ? { timezone: draft.timezone || null } : { timezone_source: draft.timezone_source };
  const fields = fieldsOf(draft.type).map((name) => [name, given(draft[name])] as const);
  return { ...draft.rest, type: draft.type || null, ...clocks, ...Object.fromEntries(fields) };
};

const given = (value: string | number | null | readonly string[]): unknown =>
  value === "" || (Array.isArray(value) && value.length === 0) ? null : value;

export const isSame = (one: Draft, other: Draft): boolean => canonical(shownOf(one)) === canonical(shownOf(other));

/** The same text for the same content, in whatever order its parts were said. */
export const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, inner: unknown) =>
    isRecord(inner) ? Object.fromEntries(Object.entries(inner).sort(([one], [other]) => (one < other ? -1 : 1))) : inner,
  );

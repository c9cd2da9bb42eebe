import type { JobBody } from "@/api/job-editor";

/** The part of the form that only jobs have that bring machines under management: their one component, their one scope, their credentials. */

export type OnboardingComponent = Extract<JobBody["components"][number], { kind: "device_onboarding" }>;
export type OnboardingScope = Extract<NonNullable<JobBody["targets"]>[number], { kind: "onboarding_scope" }>;
export type Platform = OnboardingComponent["platform"];

export interface OnboardingDraft {
  /** null = not chosen yet. */
  site_id: number | null;
  /** As somebody writes them: many lines. */
  entries: string;
  exclusions: string;
  /** In the order in which they are tried. */
  credential_ids: readonly number[];
  platform: Platform;
  install_branch: string;
  /** null = the field is empty; the API says that it must not be. */
  ssh_port: number | null;
  winrm_port: number | null;
  smb_port: number | null;
  concurrency: number | null;
}

/** The API's own defaults; a test compares them with its document. */
export const DEFAULT_COMPONENT = {
  platform: "auto",
  install_branch: "stable",
  ssh_port: 22,
  winrm_port: 5985,
  smb_port: 445,
  concurrency: 5,
} as const satisfies Omit<OnboardingComponent, "kind">;

export const newOnboarding = (siteId: number | null): OnboardingDraft => ({
  ...DEFAULT_COMPONENT,
  site_id: siteId,
  entries: "",
  exclusions: "",
  credential_ids: [],
});

/** A text as lines, which is how it is sent: the API then tells of each by its place. */
export const linesOf = (text: string): string[] => (text === "" ? [] : text.split("\n"));

const textOf = (given: string | readonly string[] | undefined): string =>
  given === undefined ? "" : typeof given === "string" ? given : given.join("\n");

export const isOnboardingComponent = (one: { kind: string }): one is OnboardingComponent => one.kind === "device_onboarding";
export const isOnboardingScope = (one: { kind: string }): one is OnboardingScope => one.kind === "onboarding_scope";

interface Definition {
  job_kind?: JobBody["job_kind"];
  components?: readonly { kind: string }[];
  targets?: readonly { kind: string }[];
  credential_ids?: readonly number[] | null;
}

/** From a reply or a revision; null where it is another job. */
export const onboardingDraft = (job: Definition): OnboardingDraft | null => {
  if (job.job_kind !== "onboarding") return null;
  const component = job.components?.find(isOnboardingComponent) ?? DEFAULT_COMPONENT;
  const scope = job.targets?.find(isOnboardingScope);
  const { platform, install_branch, ssh_port, winrm_port, smb_port, concurrency } = component;
  return {
    site_id: scope?.site_id ?? null,
    entries: textOf(scope?.entries),
    exclusions: textOf(scope?.exclusions),
    credential_ids: job.credential_ids ?? [],
    ...{ platform, install_branch, ssh_port, winrm_port, smb_port, concurrency },
  };
};

/** What a save sends of it. What is empty yet goes as null, and the API names the field. */
export const sentOnboarding = (draft: OnboardingDraft) => {
  const { site_id, entries, exclusions, credential_ids, ...component } = draft;
  const scope = { kind: "onboarding_scope", site_id, entries: linesOf(entries), exclusions: linesOf(exclusions) };
  return {
    job_kind: "onboarding" as const,
    components: [
      { kind: "device_onboarding", ...component, install_branch: component.install_branch.trim() } as OnboardingComponent,
    ],
    targets: [scope as OnboardingScope],
    exclusions: [],
    credential_ids: [...credential_ids],
    execution_context: null,
    credential_id: null,
    use_service_account: false,
  };
};

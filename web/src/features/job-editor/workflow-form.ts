import type { Variable } from "@/api/job-editor";
import type { ComponentDraft, Duration, Policies } from "./form";

/** What the form knows of jobs that launch a workflow: it is their only component, and says itself where what runs, and how. */

interface HasComponents {
  components: readonly { kind: string }[];
}

export const launchesWorkflow = ({ components }: HasComponents): boolean => components[0]?.kind === "workflow";

/** A workflow stands alone: the last one that was chosen takes the place of whatever was there, and a script that of a workflow. */
export const standingAlone = (
  before: readonly ComponentDraft[],
  chosen: readonly ComponentDraft[],
): readonly ComponentDraft[] => {
  const workflow = chosen.findLast((one) => one.kind === "workflow");
  if (workflow) return [workflow];
  return chosen.length > 0 && launchesWorkflow({ components: before }) ? chosen : [...before, ...chosen];
};

/** Of its parameters those that a job may set. */
export const promptable = (declared: readonly Variable[]): readonly Variable[] => declared.filter((one) => one.promptable !== false);

const NOTHING: Duration = {};

/** What a save sends beside name, schedule and component: what has no meaning for a launch is left behind, whatever was typed before. */
export const sentWorkflow = (policies: Policies, defaults: Policies) => ({
  job_kind: "automation" as const,
  targets: [],
  exclusions: [],
  execution_context: null,
  credential_id: null,
  credential_ids: null,
  use_service_account: false,
  duration: NOTHING,
  policies: {
    ...defaults,
    overlap: policies.overlap === "replace" ? defaults.overlap : policies.overlap,
    catch_up: policies.catch_up,
    catch_up_window_seconds: policies.catch_up_window_seconds ?? null,
  },
});

import { isNodeOver } from "@/api/workflow-merge";
import type { NodeType, RunNode, Source, WorkflowRun, WorkflowRunBrief } from "@/api/workflow-types";
import { REASONS } from "@/lib/reasons";
import type { IconName } from "@/ui/icons";

/** Runs of workflows in words. */

interface Kind {
  word: string;
  icon: IconName;
}

export const NODE_KINDS: Readonly<Record<NodeType, Kind>> = {
  trigger_manual: { word: "Started by hand", icon: "trigger" },
  trigger_job: { word: "Started by a job", icon: "job" },
  trigger_webhook: { word: "Started by a webhook", icon: "http" },
  devices_filter: { word: "Devices of a filter", icon: "filter" },
  devices_list: { word: "Devices by name", icon: "device" },
  devices_site: { word: "Devices of a site", icon: "site" },
  devices_combine: { word: "Sets put together", icon: "combine" },
  devices_take: { word: "Some of the devices", icon: "group" },
  split: { word: "Devices by result", icon: "split" },
  script: { word: "Script", icon: "assembly" },
  playbook: { word: "Playbook", icon: "playbook" },
  workflow: { word: "Workflow", icon: "workflow" },
  condition: { word: "Condition", icon: "condition" },
  wait: { word: "Wait", icon: "waiting" },
  approval: { word: "Approval", icon: "approval" },
  http: { word: "HTTP request", icon: "http" },
  notify: { word: "Notification", icon: "notification" },
  set_value: { word: "Value", icon: "value" },
  join: { word: "Join", icon: "join" },
};

/** A kind that this console does not know yet. */
export const nodeKind = (type: string): Kind =>
  (NODE_KINDS as Readonly<Record<string, Kind>>)[type] ?? { word: type.replaceAll("_", " "), icon: "workflow" };

/** Kinds that run on devices, and have a row for each of them. */
export const isOnDevices = (type: string): boolean => type === "script" || type === "playbook";

const WORKFLOW_REASONS: Readonly<Record<string, string>> = {
  other_trigger: "Another trigger leads to it.",
  not_taken: "No way that leads to it was taken.",
  no_route: "No way that leads to it was taken.",
  denied: "It was denied.",
  approval_timeout: "Nobody decided in time.",
  run_cancelled: "The run was stopped before its turn.",
  run_failed: "Another node failed before its turn.",
  no_devices: "There was no device to run on.",
  workflow_failed: "The workflow that it ran failed.",
  expression_error: "Its expression could not be worked out.",
};

/** Why it is so; the Engine's own sentence where there is one. null: nothing to say. */
export const whyNode = ({ reason, detail }: { reason: string | null; detail: string | null }): string | null => {
  if (detail) return detail;
  if (reason === null) return null;
  const known = WORKFLOW_REASONS[reason] ?? REASONS[reason];
  const plain = reason.replaceAll("_", " ");
  return known ?? `${plain.charAt(0).toUpperCase()}${plain.slice(1)}.`;
};

const SOURCES: Readonly<Record<Source, string>> = {
  manual: "by hand",
  job: "by a job",
  webhook: "by a webhook",
  workflow: "by another workflow",
};

/** How it came about, and by whom. */
export const sourceInWords = ({ source, started_by, origin_run_id }: WorkflowRunBrief): string => {
  const how = origin_run_id === null ? SOURCES[source] : "run again";
  return started_by ? `${how}, by ${started_by}` : how;
};

const number = (count: number, one: string, many: string): string => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** What is to be known at a glance: what it is at, or what became of it. */
export const sentenceOf = (run: WorkflowRun): string => {
  const of = (...states: string[]): RunNode[] => run.nodes.filter((one) => states.includes(one.state));
  const nameOf = (one: RunNode): string => run.definition.nodes.find((step) => step.id === one.node_id)?.name ?? one.node_id;
  const named = (some: RunNode[]): string => {
    const first = some.slice(0, 2).map((one) => `“${nameOf(one)}”`);
    return some.length > 2 ? `${first.join(", ")} and ${some.length - 2} more` : first.join(" and ");
  };
  const why = whyNode(run);
  const asked = of("awaiting_approval");
  const works = of("running");
  switch (run.state) {
    case "queued":
      return why ?? "It waits until another run of the workflow has ended.";
    case "cancelling":
      return works.length ? `Stopping ${named(works)}.` : "Stopping.";
    case "running":
      if (asked.length) return `${named(asked)} ${asked.length === 1 ? "waits" : "wait"} for approval.`;
      if (works.length) return `At ${named(works)}.`;
      return of("pending").length ? "Waiting for what comes next." : "Starting.";
    case "failed": {
      const broken = of("failed", "timed_out", "lost");
      return why ?? (broken.length ? `${named(broken)} failed.` : "It failed.");
    }
    case "cancelled":
      return why ?? "It was stopped.";
    case "warning":
    case "success": {
      const done = run.nodes.filter((one) => isNodeOver(one.state) && one.state !== "skipped").length;
      return why ?? `${number(done, "node has", "nodes have")} ended.`;
    }
  }
};

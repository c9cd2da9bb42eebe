import type { Allowed } from "./can";

/** What the API says of a run of a workflow, and of the document that it ran. */

export type NodeType =
  | "trigger_manual"
  | "trigger_job"
  | "trigger_webhook"
  | "devices_filter"
  | "devices_list"
  | "devices_site"
  | "devices_combine"
  | "devices_take"
  | "split"
  | "script"
  | "playbook"
  | "workflow"
  | "condition"
  | "wait"
  | "approval"
  | "http"
  | "notify"
  | "set_value"
  | "join";

export type NodeState =
  "pending" | "running" | "awaiting_approval" | "success" | "warning" | "failed" | "timed_out" | "skipped" | "cancelled" | "lost";

export const WORKFLOW_STATES = ["queued", "running", "cancelling", "success", "warning", "failed", "cancelled"] as const;
export type WorkflowState = (typeof WORKFLOW_STATES)[number];
export type Source = "manual" | "job" | "webhook" | "workflow";
export type RouteOn = "always" | "success" | "warning" | "failed";

export interface DocumentNode {
  id: string;
  type: NodeType;
  name: string;
  settings: Readonly<Record<string, unknown>>;
  x: number;
  y: number;
  time_limit_seconds: number | null;
  retries: number;
}

export interface DocumentEdge {
  /** `node.port` */
  from: string;
  to: string;
  route_on: RouteOn | null;
}

export interface WorkflowDocument {
  nodes: readonly DocumentNode[];
  edges: readonly DocumentEdge[];
}

export interface WorkflowRunBrief {
  id: number;
  workflow_id: string;
  workflow_name: string;
  revision: number;
  source: Source;
  state: WorkflowState;
  reason: string | null;
  detail: string | null;
  job_id: number | null;
  job_name: string | null;
  occurrence_id: string | null;
  parent: { run_id: number; node_id: string } | null;
  origin_run_id: number | null;
  started_by: string | null;
  created_at: string;
  started_at: string | null;
  finished_at: string | null;
}

export interface RunNode {
  node_id: string;
  state: NodeState;
  reason: string | null;
  detail: string | null;
  attempt: number;
  /** It ran in the run that this one goes on from; its result is taken from there. */
  kept: boolean;
  started_at: string | null;
  finished_at: string | null;
  deadline_at: string | null;
  /** Not before then: of a wait, or of another try. */
  starts_at: string | null;
  run_id: number | null;
  occurrence_id: string | null;
  child_run_id: number | null;
  /** Devices by state, of a script or a playbook. */
  counts: Readonly<Record<string, number>> | null;
  result: unknown;
  /** How many devices are in each of its sets, by port. */
  sets: Readonly<Record<string, number>> | null;
}

export interface RunEdge {
  from: string;
  to: string;
  /** null: not decided yet, or no edge of control. */
  taken: boolean | null;
}

export interface WorkflowRun extends WorkflowRunBrief {
  rerun_from: readonly string[];
  parameters: Readonly<Record<string, unknown>>;
  deadline_at: string | null;
  only_device_id: string | null;
  definition: WorkflowDocument;
  nodes: readonly RunNode[];
  edges: readonly RunEdge[];
  allowed_actions: readonly Allowed[];
}

export interface NodeDetail extends RunNode {
  inputs: Readonly<Record<string, unknown>>;
  allowed_actions?: readonly Allowed[];
}

export interface SetDevice {
  id: string;
  hostname: string;
  site_name: string;
  online: boolean;
}

export interface OpenApproval {
  run_id: number;
  node_id: string;
  node_name: string;
  workflow_id: string;
  workflow_name: string;
  message: string;
  asked_at: string;
  deadline_at: string;
  started_by: string | null;
}

/** What the stream says of a run. */
export interface WorkflowChanged {
  run_id: number;
  workflow_id: string;
  state: WorkflowState;
  nodes: readonly { node_id: string; state: NodeState }[];
}

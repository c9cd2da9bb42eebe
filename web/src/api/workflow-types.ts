import type { Schemas } from "./client";

/** What the API says of a run of a workflow, and of the document that it ran. */

export type NodeType = Schemas["NodeType"];
export type NodeState = Schemas["NodeState"];
export type WorkflowState = Schemas["WorkflowState"];
export type Source = WorkflowRunBrief["source"];
export type RouteOn = Schemas["RouteOn"];

export const WORKFLOW_STATES = [
  "queued",
  "running",
  "cancelling",
  "success",
  "warning",
  "failed",
  "cancelled",
] as const satisfies readonly WorkflowState[];

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

export type WorkflowRunBrief = Schemas["WorkflowRunBrief"];
export type RunNode = Schemas["NodeReply"];
export type RunEdge = Schemas["EdgeReply"];
export type NodeDetail = Schemas["NodeDetail"];
export type SetDevice = Schemas["SetDeviceReply"];
export type OpenApproval = Schemas["OpenApprovalReply"];

/** A run with the document that it ran. */
export type WorkflowRun = Omit<Schemas["WorkflowRunReply"], "definition"> & { definition: WorkflowDocument };

/** What the stream says of a run. */
export interface WorkflowChanged {
  run_id: number;
  workflow_id: string;
  state: WorkflowState;
  nodes: readonly { node_id: string; state: NodeState }[];
}

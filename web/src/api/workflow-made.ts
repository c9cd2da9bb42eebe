import type { DocumentEdge, DocumentNode, NodeType, RunNode, WorkflowChanged, WorkflowRun } from "./workflow-types";

/** Runs of workflows for tests, whole where only a part is said. */

export const node = (node_id: string, some: Partial<RunNode> = {}): RunNode => ({
  node_id,
  type: "script",
  state: "pending",
  reason: null,
  detail: null,
  attempt: 1,
  kept: false,
  started_at: null,
  finished_at: null,
  deadline_at: null,
  starts_at: null,
  run_id: null,
  occurrence_id: null,
  child_run_id: null,
  counts: {},
  result: null,
  sets: {},
  ...some,
});

export const step = (id: string, type: NodeType = "script", some: Partial<DocumentNode> = {}): DocumentNode => ({
  id,
  type,
  name: id,
  settings: {},
  x: 0,
  y: 0,
  time_limit_seconds: null,
  retries: 0,
  ...some,
});

export const edge = (from: string, to: string, route_on: DocumentEdge["route_on"] = null): DocumentEdge => ({
  from,
  to,
  route_on,
});

export const run = (some: Partial<WorkflowRun>): WorkflowRun => ({
  id: 7,
  workflow_id: "w",
  workflow_name: "Patch",
  revision: 3,
  source: "manual",
  state: "running",
  reason: null,
  detail: null,
  job_id: null,
  job_name: null,
  occurrence_id: "o",
  is_trial: false,
  parent: null,
  origin_run_id: null,
  rerun_from: [],
  parameters: {},
  started_by: "admin",
  created_at: "2026-11-29T10:00:00Z",
  started_at: "2026-11-29T10:00:00Z",
  finished_at: null,
  deadline_at: null,
  only_device_id: null,
  definition: { nodes: [], edges: [] },
  nodes: [],
  edges: [],
  allowed_actions: [],
  ...some,
});

export const changed = (some: Partial<WorkflowChanged>): WorkflowChanged => ({
  run_id: 7,
  workflow_id: "w",
  state: "running",
  nodes: [],
  ...some,
});

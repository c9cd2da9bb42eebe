import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import { key, listQuery, useApiMutation } from "./query";
import type { DeviceRow, TargetState } from "./runs";
import type { SetDevice, WorkflowDocument, WorkflowRun, WorkflowRunBrief, WorkflowState } from "./workflow-types";

type LaunchBody = Schemas["LaunchBody"];

/**
 * Runs of workflows. Keys begin with `workflowRuns`, which no event makes stale as a whole: `workflow-following` says what is read anew.
 */

const PAGE = 50;
const ROWS_PAGE = 100;

export const workflowRunKey = (runId: number) => key("workflowRuns", "one", runId);
export const nodesKey = (runId: number) => key("workflowRuns", "node", runId);
export const rowsKey = (runId: number) => key("workflowRuns", "rows", runId);
export const runsKey = () => key("workflowRuns", "list");

const path = (runId: number) => ({ path: { run_id: runId } });
const at = (runId: number, nodeId: string) => ({ path: { run_id: runId, node_id: nodeId } });

export const getWorkflowRun = async (runId: number, signal?: AbortSignal): Promise<WorkflowRun> => {
  const run = await unwrap(api.GET("/api/workflow_runs/{run_id}", { params: path(runId), signal }));
  return { ...run, definition: run.definition as unknown as WorkflowDocument };
};

export const workflowRunQuery = (runId: number) =>
  queryOptions({ queryKey: workflowRunKey(runId), queryFn: ({ signal }) => getWorkflowRun(runId, signal) });

export interface RunsAsked {
  /** null: of all workflows. */
  workflowId: string | null;
  state: WorkflowState | null;
}

/** Newest first. */
export const workflowRunsQuery = ({ workflowId, state }: RunsAsked) =>
  listQuery<WorkflowRunBrief>([...runsKey(), workflowId, state], (cursor, signal) => {
    const query = { workflow_id: workflowId ?? undefined, state: state ? [state] : undefined, limit: PAGE, cursor };
    return unwrap(api.GET("/api/workflow_runs", { params: { query }, signal }));
  });

/** A node with what came in and what came out. */
export const nodeQuery = (runId: number, nodeId: string) =>
  queryOptions({
    queryKey: [...nodesKey(runId), nodeId],
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/workflow_runs/{run_id}/nodes/{node_id}", { params: at(runId, nodeId), signal })),
  });

/** The devices of a set that a node gave by one of its ports. It does not change. */
export const setQuery = (runId: number, nodeId: string, port: string) =>
  listQuery<SetDevice>(key("workflowRuns", "set", runId, nodeId, port), (cursor, signal) =>
    unwrap(
      api.GET("/api/workflow_runs/{run_id}/nodes/{node_id}/devices", {
        params: { ...at(runId, nodeId), query: { port, limit: ROWS_PAGE, cursor } },
        signal,
      }),
    ),
  );

export interface RowsAsked {
  state: TargetState[];
  q: string;
}

/** The devices of a script or a playbook, by host name. */
export const nodeRowsQuery = (runId: number, nodeId: string, { state, q }: RowsAsked) =>
  listQuery<DeviceRow>([...rowsKey(runId), nodeId, state, q], (cursor, signal) =>
    unwrap(
      api.GET("/api/workflow_runs/{run_id}/nodes/{node_id}/rows", {
        params: {
          ...at(runId, nodeId),
          query: { state: state.length ? state : undefined, q: q || undefined, limit: ROWS_PAGE, cursor },
        },
        signal,
      }),
    ),
  );

const MOST_APPROVALS = 500;

/** What runs ask of people; not all of it may be decided by whoever reads it. */
export const workflowApprovalsQuery = () =>
  queryOptions({
    queryKey: key("workflowApprovals"),
    queryFn: ({ signal }) => unwrap(api.GET("/api/workflow_approvals", { params: { query: { limit: MOST_APPROVALS } }, signal })),
  });

// --- what a person does with a run -------------------------------------------------------------------------------------

const TOUCHES = ["workflowRuns", "workflowApprovals", "jobs", "occurrences"] as const;

interface Launch {
  workflowId: string;
  workflowName: string;
  parameters: Readonly<Record<string, unknown>>;
}

export const useLaunchWorkflow = (onStarted: (run: WorkflowRunBrief) => void) =>
  useApiMutation({
    refusal: "form",
    run: ({ workflowId, parameters }: Launch, headers) =>
      unwrap(
        api.POST("/api/workflows/{assembly_id}/runs", {
          params: { path: { assembly_id: workflowId } },
          headers,
          body: { parameters: parameters as LaunchBody["parameters"] },
        }),
      ),
    done: (_, { workflowName }) => `“${workflowName}” is starting.`,
    touches: TOUCHES,
    onDone: onStarted,
  });

export const useCancelWorkflowRun = () =>
  useApiMutation({
    refusal: "form",
    run: ({ id }: Pick<WorkflowRunBrief, "id" | "workflow_name">) =>
      unwrap(api.POST("/api/workflow_runs/{run_id}/cancel", { params: path(id) })),
    done: (_, run) => `“${run.workflow_name}” is asked to stop.`,
    touches: TOUCHES,
  });

/** A further run of what went wrong, with the results of the rest. */
export const useResumeWorkflowRun = (onStarted: (run: WorkflowRunBrief) => void) =>
  useApiMutation({
    refusal: "form",
    run: ({ id, from }: Pick<WorkflowRunBrief, "id" | "workflow_name"> & { from: readonly string[] }, headers) =>
      unwrap(api.POST("/api/workflow_runs/{run_id}/resume", { params: path(id), headers, body: { from: [...from] } })),
    done: (_, run) => `“${run.workflow_name}” runs again.`,
    touches: TOUCHES,
    onDone: onStarted,
  });

export type ApprovalWord = "approve" | "deny";

export const useDecideNode = () =>
  useApiMutation({
    refusal: "form",
    run: ({ runId, nodeId, decision, comment }: { runId: number; nodeId: string; decision: ApprovalWord; comment: string }) =>
      unwrap(
        api.POST("/api/workflow_runs/{run_id}/nodes/{node_id}/decision", {
          params: at(runId, nodeId),
          body: { decision, comment },
        }),
      ),
    done: (_, { decision }) => (decision === "approve" ? "Approved: the workflow goes on." : "Denied."),
    touches: TOUCHES,
  });

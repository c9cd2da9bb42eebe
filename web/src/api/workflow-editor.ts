import { queryOptions } from "@tanstack/react-query";
import { api, unwrap } from "./client";
import { key, useApiMutation } from "./query";

/** What the editor of workflows asks beyond the assembly itself. */

export interface WorkflowProblem {
  field: string;
  code: string;
  message: string;
  node: string | null;
  port: string | null;
}

interface Init {
  params?: { path?: Record<string, unknown> };
  body: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}
// A definition is any object to the document: what is in it, its rules say.
const post = api.POST as unknown as (path: string, init: Init) => Promise<{ data?: unknown }>;
const postIt = async <T>(path: string, init: Init): Promise<T> => (await unwrap(post(path, init))) as T;

/** What a save would find wrong; nothing is saved. */
export const workflowCheckQuery = (definition: object) =>
  queryOptions({
    queryKey: key("assemblies", "workflowCheck", definition),
    queryFn: ({ signal }) => postIt<{ problems: WorkflowProblem[] }>("/api/workflows/check", { body: { definition }, signal }),
    staleTime: 30_000,
    gcTime: 60_000,
    retry: false,
  });

interface TestRun {
  assemblyId: string;
  definition: object;
  deviceId: string;
  parameters: Readonly<Record<string, unknown>>;
}

/** A run of what is being written, on one device; it is not saved. */
export const useTestRun = (onDone: (run: { id: number }) => void) =>
  useApiMutation({
    run: ({ assemblyId, definition, deviceId, parameters }: TestRun, headers) =>
      postIt<{ id: number }>("/api/workflows/{assembly_id}/runs", {
        params: { path: { assembly_id: assemblyId } },
        body: { parameters, revision: null, only_device_id: deviceId, definition },
        headers,
      }),
    refusal: "form",
    onDone,
  });

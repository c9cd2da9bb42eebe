import { queryOptions } from "@tanstack/react-query";
import type { AssemblyBody } from "./assemblies";
import { api, type Schemas, unwrap } from "./client";
import { key, useApiMutation } from "./query";

/** What the editor of workflows asks beyond the assembly itself. */

/** What a save would find wrong, and of which node; nothing is saved. `assemblyId`: what it would be saved over. */
export const workflowCheckQuery = (definition: AssemblyBody, assemblyId: string | null) =>
  queryOptions({
    queryKey: key("assemblies", "workflowCheck", assemblyId, definition),
    queryFn: ({ signal }) =>
      unwrap(api.POST("/api/workflows/check", { body: { definition, assembly_id: assemblyId }, signal })),
    staleTime: 30_000,
    gcTime: 60_000,
    retry: false,
  });

type Values = NonNullable<Schemas["LaunchBody"]["parameters"]>;

interface TestRun {
  assemblyId: string;
  definition: AssemblyBody;
  deviceId: string;
  parameters: Values;
}

/** A run of what is being written, on one device; it is not saved. */
export const useTestRun = (onDone: (run: { id: number }) => void) =>
  useApiMutation({
    run: ({ assemblyId, definition, deviceId, parameters }: TestRun, headers) =>
      unwrap(
        api.POST("/api/workflows/{assembly_id}/runs", {
          params: { path: { assembly_id: assemblyId } },
          body: { parameters, revision: null, only_device_id: deviceId, definition },
          headers,
        }),
      ),
    refusal: "form",
    onDone,
  });

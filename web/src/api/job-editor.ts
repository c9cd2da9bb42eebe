import { queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { FieldProblem } from "./problem";
import { key, listQuery, useApiMutation } from "./query";

/** What the page of one job asks of the API beyond the job itself: previews, saves, revisions, files. */

export type JobBody = Schemas["JobBody"];
export type Preview = Schemas["PreviewReply"];
export type PreviewInstant = Schemas["PreviewInstant"];
export type JobRevision = Schemas["JobRevisionReply"];
export type Plan = Schemas["PlanReply"];

/** A job as a form sends it. What a schedule takes depends on its type, which the document's types do not say. */
export type JobToSave = Omit<JobBody, "schedule"> & { schedule: Readonly<Record<string, unknown>> };

const sent = (job: JobToSave): Omit<JobBody, "credential_id"> => job as unknown as JobBody;

/** What a job would do if it were saved now. `jobId`: the one that it would be saved over. */
export const previewQuery = (job: JobToSave, jobId: number | null) =>
  queryOptions({
    queryKey: key("jobs", "preview", jobId, job),
    queryFn: ({ signal }) =>
      unwrap(
        api.POST("/api/scheduled_jobs/preview", { params: { query: { job_id: jobId ?? undefined } }, body: sent(job), signal }),
      ),
    staleTime: 0,
    gcTime: 60_000,
  });

const said = (name: string): string => `“${name}” is saved.`;

export const useCreateJob = () =>
  useApiMutation({
    run: (job: JobToSave, headers) => unwrap(api.POST("/api/scheduled_jobs", { body: sent(job), headers })),
    done: (saved) => said(saved.name),
    touches: ["jobs", "occurrences"],
    refusal: "form",
  });

export const useUpdateJob = () =>
  useApiMutation({
    run: ({ jobId, revision, job }: { jobId: number; revision: number; job: JobToSave }) =>
      unwrap(
        api.PUT("/api/scheduled_jobs/{job_id}", {
          params: { path: { job_id: jobId }, header: { "if-match": `"${revision}"` } },
          body: sent(job),
        }),
      ),
    done: (saved) => said(saved.name),
    touches: ["occurrences"],
    refusal: "form",
  });

export const revisionsQuery = (jobId: number) =>
  listQuery<JobRevision>(key("jobs", "revisions", jobId), (cursor, signal) =>
    unwrap(
      api.GET("/api/scheduled_jobs/{job_id}/revisions", {
        params: { path: { job_id: jobId }, query: { limit: 50, cursor } },
        signal,
      }),
    ),
  );

/** Where the job as a file is to be had. */
export const exportAddress = (jobId: number): string => `/api/scheduled_jobs/${jobId}/export`;

const YAML = { bodySerializer: (text: string) => text, headers: { "Content-Type": "text/yaml" } };

/** What saving the job of a file would change. */
export const planQuery = (file: string) =>
  queryOptions({
    queryKey: key("jobs", "plan", file),
    queryFn: ({ signal }) => unwrap(api.POST("/api/scheduled_jobs/plan", { body: file, ...YAML, signal })),
    staleTime: 0,
    gcTime: 0,
  });

export interface Import {
  file: string;
  /** `update`: the job with the name in the file, at this revision. */
  update: { revision: number } | null;
}

export const useImportJob = () =>
  useApiMutation({
    run: ({ file, update }: Import, once) =>
      unwrap(
        api.POST("/api/scheduled_jobs/import", {
          params: {
            query: { on_existing: update ? "update" : "create" },
            header: update ? { "if-match": `"${update.revision}"` } : undefined,
          },
          body: file,
          bodySerializer: YAML.bodySerializer,
          headers: { ...YAML.headers, ...once },
        }),
      ),
    done: (saved) => said(saved.name),
    touches: ["jobs", "occurrences"],
    refusal: "form",
  });

/** Windows that keep devices of a job from starting at once, as its save said. */
export const warningsOf = (saved: { warnings: readonly FieldProblem[] }): string[] => saved.warnings.map((one) => one.message);

// What pickers choose from, and the names of what was chosen.

export type FilterChoice = Schemas["FilterReply"];
export type AssemblyChoice = Schemas["AssemblyListItem"];
export type Assembly = Schemas["AssemblyReply"] | Schemas["RevisionReply"];
export type Variable = NonNullable<Assembly["variables"]>[number];

const PAGE = 100;

export const filterChoices = (q: string) =>
  listQuery<FilterChoice>(key("filters", "choices", q), (cursor, signal) =>
    unwrap(api.GET("/api/device_filters", { params: { query: { q: q || undefined, limit: PAGE, cursor } }, signal })),
  );

export const assemblyChoices = (q: string) =>
  listQuery<AssemblyChoice>(key("assemblies", "choices", q), (cursor, signal) =>
    unwrap(api.GET("/api/assemblies", { params: { query: { q: q || undefined, limit: PAGE, cursor } }, signal })),
  );

export const siteChoices = (q: string) =>
  listQuery<Schemas["SiteReply"]>(key("sites", "choices", q), (cursor, signal) =>
    unwrap(api.GET("/api/sites", { params: { query: { q: q || undefined, limit: PAGE, cursor } }, signal })),
  );

const NAMES_ARE_FRESH = 5 * 60_000;

export const deviceNameQuery = (deviceId: string) =>
  queryOptions({
    queryKey: key("devices", "name", deviceId),
    queryFn: async ({ signal }): Promise<string> =>
      (await unwrap(api.GET("/api/devices/{device_id}", { params: { path: { device_id: deviceId } }, signal }))).hostname,
    staleTime: NAMES_ARE_FRESH,
  });

export const filterNameQuery = (filterId: number) =>
  queryOptions({
    queryKey: key("filters", "name", filterId),
    queryFn: async ({ signal }): Promise<string> =>
      (await unwrap(api.GET("/api/device_filters/{filter_id}", { params: { path: { filter_id: filterId } }, signal }))).name,
    staleTime: NAMES_ARE_FRESH,
  });

export const siteNameQuery = (siteId: number) =>
  queryOptions({
    queryKey: key("sites", "name", siteId),
    queryFn: async ({ signal }): Promise<string> =>
      (await unwrap(api.GET("/api/sites/{site_id}", { params: { path: { site_id: siteId } }, signal }))).name,
    staleTime: NAMES_ARE_FRESH,
  });

/** An assembly as a component runs it: a certain revision, or the latest. */
export const assemblyQuery = (assemblyId: string, revision: number | "latest") =>
  queryOptions({
    queryKey: key("assemblies", "component", assemblyId, revision),
    queryFn: ({ signal }): Promise<Assembly> =>
      revision === "latest"
        ? unwrap(api.GET("/api/assemblies/{assembly_id}", { params: { path: { assembly_id: assemblyId } }, signal }))
        : unwrap(
            api.GET("/api/assemblies/{assembly_id}/revisions/{revision}", {
              params: { path: { assembly_id: assemblyId, revision } },
              signal,
            }),
          ),
  });

export type JobRule = Schemas["RuleReply"];

/** The rules by which people are told of a job. */
export const rulesOfJobQuery = (jobId: number) =>
  queryOptions({
    queryKey: key("notifications", "of job", jobId),
    queryFn: ({ signal }) =>
      unwrap(api.GET("/api/scheduled_jobs/{job_id}/notifications", { params: { path: { job_id: jobId } }, signal })),
  });

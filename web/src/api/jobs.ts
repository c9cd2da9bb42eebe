import { type InfiniteData, type QueryClient, queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import type { paths } from "./generated/schema";
import { isProblem } from "./problem";
import { key, listQuery, type Once, type PageOf, useApiMutation } from "./query";

export type Job = Schemas["JobListItem"];
export type JobReply = Schemas["JobReply"];
export type JobsQuery = Omit<NonNullable<paths["/api/scheduled_jobs"]["get"]["parameters"]["query"]>, "limit" | "cursor">;
export type BulkBody = Schemas["BulkBody"];
export type BulkReply = Schemas["BulkJobsReply"];

const PAGE = 100;

export const jobsQuery = (query: JobsQuery) =>
  listQuery<Job>(key("jobs", "list", query), (cursor, signal) =>
    unwrap(api.GET("/api/scheduled_jobs", { params: { query: { ...query, limit: PAGE, cursor } }, signal })),
  );

export const getJob = (jobId: number, signal?: AbortSignal): Promise<JobReply> =>
  unwrap(api.GET("/api/scheduled_jobs/{job_id}", { params: { path: { job_id: jobId } }, signal }));

export const jobQuery = (jobId: number) =>
  queryOptions({ queryKey: key("jobs", "one", jobId), queryFn: ({ signal }) => getJob(jobId, signal) });

/** Read these jobs anew and put them into the lists that show them; jobs that are gone leave. */
export const patchJobs = async (client: QueryClient, jobIds: readonly number[]): Promise<void> => {
  const fresh = await Promise.all(jobIds.map(async (id) => [id, await orGone(getJob(id))] as const));
  patchLists(client, new Map(fresh));
  for (const [id, job] of fresh) if (job) client.setQueryData(key("jobs", "one", id), job);
};

/** A list that is to be read anew as a whole stays so: a row that is put into it does not make it whole, nor any younger. */
export const patchLists = (client: QueryClient, fresh: ReadonlyMap<number, Job | null>): void => {
  for (const { queryKey, state } of client.getQueryCache().findAll({ queryKey: key("jobs", "list") })) {
    if (state.isInvalidated) continue;
    client.setQueryData<InfiniteData<PageOf<Job>>>(
      queryKey,
      (data) => data && { ...data, pages: data.pages.map((page) => ({ ...page, items: patched(page.items, fresh) })) },
      { updatedAt: state.dataUpdatedAt },
    );
  }
};

const orGone = (asked: Promise<JobReply>): Promise<JobReply | null> =>
  asked.catch((error: unknown) => {
    if (isProblem(error) && error.status === 404) return null;
    throw error;
  });

export const patched = <T extends { id: number }>(items: readonly T[], fresh: ReadonlyMap<number, T | null>): T[] =>
  items.flatMap((item) => {
    const now = fresh.get(item.id);
    return now === undefined ? [item] : now === null ? [] : [now];
  });

const path = (job: { id: number }) => ({ path: { job_id: job.id } });

export const useRunJob = () =>
  useApiMutation({
    run: (job: Pick<Job, "id" | "name">, headers) =>
      unwrap(api.POST("/api/scheduled_jobs/{job_id}/rerun", { params: path(job), headers, body: { targets: "all" } })),
    done: (_, job) => `“${job.name}” is starting.`,
    touches: ["jobs", "occurrences"],
  });

type Refusal = "toast" | "form";

export const useToggleJob = (refusal: Refusal = "toast") =>
  useApiMutation({
    refusal,
    run: ({ job, ...body }: { job: Pick<Job, "id" | "name">; enabled: boolean; reason?: string; until?: string }) =>
      unwrap(api.POST("/api/scheduled_jobs/{job_id}/toggle", { params: path(job), body })),
    done: (saved) => (saved.enabled ? `“${saved.name}” goes on.` : `“${saved.name}” is paused.`),
    touches: ["jobs", "occurrences"],
  });

export const useDeleteJob = (refusal: Refusal = "toast") =>
  useApiMutation({
    refusal,
    run: (job: Pick<Job, "id" | "name">) => unwrap(api.DELETE("/api/scheduled_jobs/{job_id}", { params: path(job) })),
    done: (_, job) => `“${job.name}” is deleted.`,
    touches: ["jobs", "occurrences"],
  });

export const bulkJobs = (body: BulkBody, headers?: Once): Promise<BulkReply> =>
  unwrap(api.POST("/api/scheduled_jobs/bulk", { body, headers }));

export const useBulkJobs = (done: (reply: BulkReply) => string) =>
  useApiMutation({ run: bulkJobs, done, refusal: "form", touches: ["jobs", "occurrences"] });

import { type QueryClient, queryOptions } from "@tanstack/react-query";
import { api, type Schemas, unwrap } from "./client";
import { isProblem } from "./problem";
import { key, listQuery, useApiMutation } from "./query";

/**
 * What became of one occurrence. Its keys begin with `results`, which no event makes stale as a whole: `run-following` says what is read
 * anew. A list of devices is read by pages that are known by their place, so that any of 100,000 can be shown without those before it.
 */

export type Occurrence = Schemas["OccurrenceDetail"];
export type DeviceRow = Schemas["DeviceRowReply"];
export type Execution = Schemas["ExecutionReply"];
export type Places = Schemas["DevicePlaces"];
export type OutputGroup = Schemas["OutputGroupReply"];
export type TargetState = Schemas["TargetState"];
export type Verdict = NonNullable<DeviceRow["verdict"]>;
export type RerunWord = keyof Schemas["RerunCounts"];
export type StopAnswers = Schemas["StopAnswers"];
export type Recap = Schemas["RecapReply"];
export type RecapRow = Schemas["RecapRowReply"];

export const TARGET_STATES = [
  "failed",
  "timed_out",
  "lost",
  "warning",
  "expired",
  "running",
  "dispatched",
  "connecting",
  "cancelling",
  "waiting_online",
  "pending",
  "success",
  "skipped",
  "cancelled",
] as const satisfies readonly TargetState[];
/** Failures, as “next failed” and the rerun of what failed mean them. */
export const FAILED: readonly TargetState[] = ["failed", "timed_out", "lost"];
const OVER: readonly TargetState[] = ["success", "warning", "failed", "timed_out", "expired", "cancelled", "skipped", "lost"];
/** Whether nothing more becomes of a target by itself. */
export const isOver = (state: TargetState): boolean => OVER.includes(state);
export const VERDICTS = ["compliant", "fixed", "still_wrong"] as const satisfies readonly Verdict[];

/** An execution as states are called: by its outcome once it has ended; one that exited well is a success. */
export const executionState = (one: Pick<Execution, "state" | "outcome" | "result">): string =>
  one.state !== "finished" || !one.outcome ? one.state : (one.result ?? one.outcome);

/** Which rows of which occurrence. */
export interface RowSource {
  jobId: number;
  occurrenceId: string;
  state: readonly TargetState[];
  verdict: readonly Verdict[];
  q: string;
  output: string | null;
}

/** Rows come and go in such a list while the run goes on; in others each keeps its place. */
export const isMoving = (source: RowSource): boolean =>
  source.state.length > 0 || source.verdict.length > 0 || source.output !== null;

const wanted = ({ occurrenceId, state, verdict, q, output }: RowSource) => ({
  occurrence: occurrenceId,
  state: state.length ? [...state] : undefined,
  verdict: verdict.length ? [...verdict] : undefined,
  q: q || undefined,
  output: output ?? undefined,
});

const path = (jobId: number, occurrence: string) => ({ path: { job_id: jobId, occurrence } });

export const occurrenceKey = (jobId: number, which?: string) => key("results", "one", jobId, ...(which ? [which] : []));

export const LATEST = "latest";

/** One by its id, or the last one that has devices: null where the job has not run yet. */
export const occurrenceQuery = (jobId: number, which: string) =>
  queryOptions({
    queryKey: occurrenceKey(jobId, which),
    queryFn: async ({ signal }): Promise<Occurrence | null> => {
      try {
        return await unwrap(
          api.GET("/api/scheduled_jobs/{job_id}/occurrences/{occurrence}", { params: path(jobId, which), signal }),
        );
      } catch (error) {
        if (which === LATEST && isProblem(error) && error.code === "occurrence_not_found") return null;
        throw error;
      }
    },
  });

const EVERY = 100;

export const placesQuery = (source: RowSource) =>
  queryOptions({
    queryKey: key("results", "places", source.occurrenceId, wanted(source)),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/scheduled_jobs/{job_id}/devices/places", {
          params: { path: { job_id: source.jobId }, query: { ...wanted(source), every: EVERY } },
          signal,
        }),
      ),
    staleTime: Infinity, // it is read anew when the list is
  });

/** `reading`: of which reading of the places it is a page. */
export const rowsKey = (source: RowSource, reading: number, page: number) =>
  key("results", "rows", source.occurrenceId, wanted(source), reading, page);

/** A page of rows. Where rows come and go, those of a page that was read are read again by their names, so that none moves. */
export const rowsQuery = (client: QueryClient, source: RowSource, reading: number, page: number, places: Places) =>
  queryOptions({
    queryKey: rowsKey(source, reading, page),
    queryFn: async ({ signal, queryKey }) => {
      const before = isMoving(source) ? client.getQueryData<DeviceRow[]>(queryKey) : undefined;
      if (before?.length) return readAgain(source, before, signal);
      const query = { ...wanted(source), limit: places.every, cursor: places.cursors[page] ?? undefined };
      return (
        await unwrap(
          api.GET("/api/scheduled_jobs/{job_id}/devices", { params: { path: { job_id: source.jobId }, query }, signal }),
        )
      ).items;
    },
    gcTime: 60_000, // of 100,000 rows only those are kept that were looked at lately
  });

const byName = async (source: Pick<RowSource, "jobId" | "occurrenceId">, targetIds: number[], signal?: AbortSignal) =>
  (
    await unwrap(
      api.GET("/api/scheduled_jobs/{job_id}/devices", {
        params: {
          path: { job_id: source.jobId },
          query: { occurrence: source.occurrenceId, target_id: targetIds, limit: Math.max(1, targetIds.length) },
        },
        signal,
      }),
    )
  ).items;

const readAgain = async (source: RowSource, before: readonly DeviceRow[], signal: AbortSignal): Promise<DeviceRow[]> => {
  const fresh = await byName(
    source,
    before.map((one) => one.target_id),
    signal,
  );
  const found = new Map(fresh.map((one) => [one.target_id, one]));
  return before.map((one) => found.get(one.target_id) ?? one);
};

export const rowQuery = (jobId: number, occurrenceId: string, targetId: number | null) =>
  queryOptions({
    queryKey: key("results", "row", occurrenceId, targetId),
    queryFn: async ({ signal }) =>
      targetId === null ? null : ((await byName({ jobId, occurrenceId }, [targetId], signal))[0] ?? null),
    enabled: targetId !== null,
  });

/** The name of the first row of an occurrence. */
export const firstRowQuery = ({ jobId, occurrenceId }: RowSource) =>
  queryOptions({
    queryKey: key("results", "first", occurrenceId),
    queryFn: async ({ signal }) => {
      const query = { occurrence: occurrenceId, limit: 1 };
      const params = { path: { job_id: jobId }, query };
      return (await unwrap(api.GET("/api/scheduled_jobs/{job_id}/devices", { params, signal }))).items[0]?.target_id ?? null;
    },
    staleTime: Infinity,
  });

export type Step = "here" | "next" | "previous";

/** Where a row is, or the next one that failed; null where there is none. */
export const findPlace = async (source: RowSource, targetId: number | null, step: Step, signal?: AbortSignal) => {
  const query = { ...wanted(source), step, target_id: targetId ?? undefined };
  const { target_id, place } = await unwrap(
    api.GET("/api/scheduled_jobs/{job_id}/devices/place", { params: { path: { job_id: source.jobId }, query }, signal }),
  );
  return target_id === null || place === null ? null : { targetId: target_id, place };
};

export const placeQuery = (source: RowSource, targetId: number | null, step: Step) =>
  queryOptions({
    queryKey: key("results", "place", source.occurrenceId, wanted(source), targetId, step),
    queryFn: ({ signal }) => findPlace(source, targetId, step, signal),
    staleTime: Infinity,
  });

export const groupsQuery = (jobId: number, occurrenceId: string) =>
  listQuery<OutputGroup>(key("results", "groups", occurrenceId), (cursor, signal) =>
    unwrap(
      api.GET("/api/scheduled_jobs/{job_id}/occurrences/{occurrence}/output_groups", {
        params: { ...path(jobId, occurrenceId), query: { limit: 50, cursor } },
        signal,
      }),
    ),
  );

/** The devices of a run of playbooks with their counters, and the sums of all. */
export const recapQuery = (runId: number) =>
  listQuery<RecapRow, Schemas["RunRecapReply"]>(key("results", "recap", runId), (cursor, signal) =>
    unwrap(api.GET("/api/runs/{run_id}/recap", { params: { path: { run_id: runId }, query: { limit: 100, cursor } }, signal })),
  );

export const rerunCountsQuery = (jobId: number, occurrenceId: string) =>
  queryOptions({
    queryKey: key("results", "rerun", occurrenceId),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/scheduled_jobs/{job_id}/occurrences/{occurrence}/rerun", { params: path(jobId, occurrenceId), signal }),
      ),
    staleTime: 0,
  });

export const stopAnswersQuery = (jobId: number, occurrenceId: string) =>
  queryOptions({
    queryKey: key("results", "stop", occurrenceId),
    queryFn: ({ signal }) =>
      unwrap(
        api.GET("/api/scheduled_jobs/{job_id}/occurrences/{occurrence}/cancel", { params: path(jobId, occurrenceId), signal }),
      ),
  });

// --- what a person does with a run -------------------------------------------------------------------------------------

const TOUCHES = ["results", "jobs", "occurrences"] as const;
const devices = (number: number): string => `${number.toLocaleString("en")} ${number === 1 ? "device" : "devices"}`;

interface Which {
  jobId: number;
  jobName: string;
  occurrenceId: string;
}

export const useRerun = (onDone: (occurrenceId: string) => void) =>
  useApiMutation({
    refusal: "form",
    run: ({ jobId, occurrenceId, ...body }: Which & { targets: Schemas["RerunRequest"]["targets"]; expected: number }, headers) =>
      unwrap(
        api.POST("/api/scheduled_jobs/{job_id}/rerun", {
          params: { path: { job_id: jobId } },
          headers,
          body: {
            targets: body.targets,
            occurrence: occurrenceId,
            ...(typeof body.targets === "string" ? { expected: body.expected } : {}),
          },
        }),
      ),
    done: (_, { jobName, expected }) => `“${jobName}” runs again on ${devices(expected)}.`,
    touches: TOUCHES,
    onDone: (started) => onDone(started.id),
  });

export const useStopOccurrence = () =>
  useApiMutation({
    refusal: "form",
    run: ({ jobId, occurrenceId }: Which) =>
      unwrap(api.POST("/api/scheduled_jobs/{job_id}/occurrences/{occurrence}/cancel", { params: path(jobId, occurrenceId) })),
    done: ({ withdrawn, asked }) => `Stopping: ${devices(asked)} asked, ${devices(withdrawn)} withdrawn.`,
    touches: TOUCHES,
  });

export const useStopTarget = () =>
  useApiMutation({
    refusal: "form",
    run: ({ jobId, occurrenceId, targetId }: Which & { targetId: number; hostname: string }) =>
      unwrap(
        api.POST("/api/scheduled_jobs/{job_id}/occurrences/{occurrence}/targets/{target_id}/cancel", {
          params: { path: { job_id: jobId, occurrence: occurrenceId, target_id: targetId } },
        }),
      ),
    done: ({ asked }, { hostname }) => (asked > 0 ? `${hostname} is asked to stop.` : `${hostname} is withdrawn.`),
    touches: TOUCHES,
  });

export const usePromote = () =>
  useApiMutation({
    run: ({ jobId, occurrenceId, wave }: Which & { wave: number }) =>
      unwrap(
        api.POST("/api/scheduled_jobs/{job_id}/occurrences/{occurrence}/promote", {
          params: path(jobId, occurrenceId),
          body: { wave },
        }),
      ),
    done: (_, { wave }) => `Wave ${wave} begins.`,
    touches: TOUCHES,
  });

export const useBrake = () =>
  useApiMutation({
    refusal: "form",
    run: ({ jobId, occurrenceId, ...body }: Which & { reason?: string; cancel_running: boolean }) =>
      unwrap(
        api.POST("/api/scheduled_jobs/{job_id}/occurrences/{occurrence}/brake", {
          params: path(jobId, occurrenceId),
          body: { reason: body.reason, cancel_running: body.cancel_running },
        }),
      ),
    done: (_, { jobName }) => `The brake is on: “${jobName}” starts on nothing more.`,
    touches: TOUCHES,
  });

/** A person's word on an occurrence that is held. */
export const useDecide = (decision: "release" | "skip") =>
  useApiMutation({
    refusal: "form",
    run: ({ jobId, occurrenceId, reason }: Which & { reason?: string }) => {
      const asked = { params: path(jobId, occurrenceId), body: { reason } };
      return decision === "release"
        ? unwrap(api.POST("/api/scheduled_jobs/{job_id}/occurrences/{occurrence}/release", asked))
        : unwrap(api.POST("/api/scheduled_jobs/{job_id}/occurrences/{occurrence}/skip", asked));
    },
    done: (_, { jobName }) => (decision === "release" ? `“${jobName}” runs now.` : `This run of “${jobName}” is skipped.`),
    touches: [...TOUCHES, "waiting"],
  });

export const exportUrl = (jobId: number, occurrenceId: string, format: "csv" | "jsonl"): string =>
  `/api/scheduled_jobs/${jobId}/occurrences/${encodeURIComponent(occurrenceId)}/export?format=${format}`;

import { readFileSync } from "node:fs";
import { sample } from "openapi-sampler";
import type { paths } from "../src/api/generated/schema";
import { createJobs, type Job, SESSION, SITES } from "./world.ts";

/**
 * An Engine that is not one, for work on the console without one: what matters is answered by the handlers below, typed by the API's
 * document; everything else by a sample of what the document says. It checks nothing: the tests run against the real Engine.
 */

type Method = "get" | "post" | "put" | "patch" | "delete";
type Json<R> = R extends { content: { "application/json": infer Body } } ? Body : never;
type Replies<P extends keyof paths, M extends Method> = paths[P][M] extends { responses: infer R } ? R : never;
type Body<R> = { [Status in keyof R & (200 | 201 | 202)]: Json<R[Status]> }[keyof R & (200 | 201 | 202)];

export interface Asked {
  ids: readonly string[];
  query: URLSearchParams;
  body: Record<string, unknown>;
}
export interface Answer {
  status: number;
  body: unknown;
}
type Handler = (asked: Asked) => unknown;
type Tell = (kind: string, event: Record<string, unknown>) => void;

interface Operation {
  method: Method;
  path: string;
  pattern: RegExp;
  status: number;
  schema: object | undefined;
}

const DOCUMENT = JSON.parse(readFileSync("src/api/generated/openapi.json", "utf8")) as {
  paths: Record<string, Record<string, { responses: Record<string, { content?: Record<string, { schema?: object }> }> }>>;
};
const METHODS: readonly Method[] = ["get", "post", "put", "patch", "delete"];

export const OPERATIONS: readonly Operation[] = Object.entries(DOCUMENT.paths)
  // What is named goes before what is any id: /api/scheduled_jobs/preview is no job.
  .sort(([one], [other]) => Number(one.includes("{")) - Number(other.includes("{")))
  .flatMap(([path, operations]) =>
    METHODS.flatMap((method) => {
      const operation = operations[method];
      if (!operation) return [];
      const status = Object.keys(operation.responses).find((one) => one.startsWith("2")) ?? "200";
      const schema = operation.responses[status]?.content?.["application/json"]?.schema;
      const pattern = new RegExp(`^${path.replace(/\{[^}]+\}/g, "([^/]+)")}$`);
      return [{ method, path, pattern, status: Number(status), schema }];
    }),
  );

/** `answer(method, path, …)`; null where the API has no such operation. `tell` sends a live event. */
export const createMockEngine = (tell: Tell, jobCount = 60) => {
  const jobs = createJobs(jobCount);
  const handlers = new Map<string, Handler>();
  const on = <P extends keyof paths, M extends Method>(
    method: M,
    path: P,
    handler: (asked: Asked) => Body<Replies<P, M>> | null,
  ): void => void handlers.set(`${method} ${path}`, handler);
  const found = (asked: Asked): Job | null => jobs.get(Number(asked.ids[0])) ?? null;
  const save = (job: Job): void => {
    jobs.set(job.id, job);
    tell("job.changed", { job_id: job.id, change: "toggled" });
  };

  on("get", "/api/session", () => SESSION);
  on("post", "/api/session", () => SESSION);
  on("get", "/api/sites", () => ({ items: SITES, next_cursor: null }));
  on("get", "/api/views", () => ({ items: [], next_cursor: null }));
  on("get", "/api/scheduled_jobs", ({ query }) => page(select([...jobs.values()], query), query));
  on("get", "/api/scheduled_jobs/{job_id}", (asked) => whole(found(asked)));
  on("post", "/api/scheduled_jobs/{job_id}/toggle", (asked) => {
    const job = found(asked);
    const enabled = asked.body["enabled"] === true;
    const reason = typeof asked.body["reason"] === "string" ? asked.body["reason"] : null;
    if (job) save({ ...job, enabled, state: enabled ? "active" : "paused", state_reason: enabled ? null : reason });
    return whole(found(asked));
  });

  const answer = (
    method: string,
    path: string,
    query = new URLSearchParams(),
    body: Record<string, unknown> = {},
  ): Answer | null => {
    for (const one of OPERATIONS) {
      const match = one.method === method.toLowerCase() ? one.pattern.exec(path) : null;
      if (!match) continue;
      const handler = handlers.get(`${one.method} ${one.path}`);
      const reply = handler ? handler({ ids: match.slice(1), query, body }) : sampled(one.method, one.path);
      return reply === null && handler ? { status: 404, body: NOT_FOUND } : { status: one.status, body: reply };
    }
    return null;
  };
  return { answer };
};

const NOT_FOUND = {
  type: "urn:watchbill:problem:not_found",
  title: "Not found",
  status: 404,
  detail: "It is not in the mock.",
  code: "not_found",
  errors: [],
};

const sampled = (method: Method, path: string): unknown => {
  const schema = OPERATIONS.find((one) => one.method === method && one.path === path)?.schema;
  if (!schema) return null;
  const made = sample(schema, { quiet: true, maxSampleDepth: 12 }, DOCUMENT);
  // A list that goes on for ever would be read for ever.
  return typeof made === "object" && made !== null && "next_cursor" in made ? { ...made, next_cursor: null } : made;
};

type Whole = Body<Replies<"/api/scheduled_jobs/{job_id}", "get">>;

/** A job of the list as it is told alone. */
const whole = (job: Job | null): Whole | null => job && { ...(sampled("get", "/api/scheduled_jobs/{job_id}") as Whole), ...job };

const select = (jobs: Job[], query: URLSearchParams): Job[] => {
  const q = query.get("q")?.toLowerCase() ?? "";
  const state = query.get("state");
  const isDescending = query.get("sort")?.startsWith("-") ?? false;
  const some = jobs.filter((one) => one.name.toLowerCase().includes(q) && (!state || one.state === state));
  return isDescending ? some.reverse() : some;
};

const page = (jobs: Job[], query: URLSearchParams) => {
  const begin = Number(query.get("cursor") ?? 0);
  const end = begin + Number(query.get("limit") ?? 50);
  return { items: jobs.slice(begin, end), next_cursor: end < jobs.length ? String(end) : null };
};

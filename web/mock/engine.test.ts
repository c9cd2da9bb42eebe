import { expect, it } from "vitest";
import { createMockEngine, OPERATIONS } from "./engine.ts";

it("answers every operation that the API has", () => {
  const { answer } = createMockEngine(() => undefined, 3);
  const unanswered = OPERATIONS.filter((one) => {
    const reply = answer(one.method, one.path.replace(/\{[^}]+\}/g, "1"));
    return reply === null || (one.schema !== undefined && reply.body === null);
  });
  expect(unanswered.map((one) => `${one.method} ${one.path}`)).toEqual([]);
});

it("keeps what was changed, and tells it as an event", () => {
  const told: unknown[] = [];
  const { answer } = createMockEngine((kind, event) => void told.push([kind, event["job_id"]]), 3);
  answer("post", "/api/scheduled_jobs/2/toggle", undefined, { enabled: false, reason: "moving house" });
  const list = answer("get", "/api/scheduled_jobs", new URLSearchParams({ state: "paused" }));
  expect(list?.body).toMatchObject({ items: [{ id: 2, state: "paused", state_reason: "moving house" }], next_cursor: null });
  expect(told).toEqual([["job.changed", 2]]);
  expect(answer("get", "/api/scheduled_jobs/9")?.status).toBe(404);
});

import { expect, it } from "vitest";
import type { EngineProcess } from "@/api/workers";
import { standing } from "./worker-words";

const process = (kind: EngineProcess["kind"], state: EngineProcess["state"] = "running"): EngineProcess => ({
  id: `${kind} ${state}`,
  kind,
  state,
  host: "quay",
  pid: 7,
  version: "0.1.0",
  site_id: null,
  address: null,
  started_at: "2026-05-04T00:00:00Z",
  heartbeat_at: "2026-05-04T00:00:00Z",
  stopped_at: null,
  agents: null,
  leases: null,
});
const all = [process("api"), process("gateway"), process("scheduler")];

it("says first what lacks, then what is silent", () => {
  expect(standing({ processes: all, lanes: [] }).tone).toBe("good");
  expect(standing({ processes: [process("api"), process("scheduler", "silent")], lanes: [] }).sentence).toBe(
    "No scheduler and no gateway is running.",
  );
  expect(standing({ processes: [...all, process("scheduler", "silent")], lanes: [] }).sentence).toBe(
    "A process gives no sign of life.",
  );
});

it("does not need site workers, but that their work ends", () => {
  const lane = { site_id: 1, lane: "scheduled_job", queued: 0, leased: 2, overdue: 2, oldest_at: null };
  expect(standing({ processes: all, lanes: [lane] }).tone).toBe("warn");
});

import type { EngineProcess, Workers } from "@/api/workers";
import type { Tone } from "@/lib/states";

export const KINDS: Readonly<Record<EngineProcess["kind"], string>> = {
  api: "API",
  gateway: "Gateway",
  scheduler: "Scheduler",
  site_worker: "Site worker",
  vpn: "VPN hub",
};

export const LANES: Readonly<Record<string, string>> = {
  scheduled_job: "Scheduled jobs",
  onboarding: "Onboarding",
  maintenance: "Maintenance",
};

/** Without these the Engine does not do its work; site workers come and go with it. */
const NEEDED: readonly EngineProcess["kind"][] = ["scheduler", "gateway", "api"];

/** How things stand, in a sentence: what lacks, else what is silent, else that all is well. */
export const standing = (workers: Pick<Workers, "processes" | "lanes">): { sentence: string; tone: Tone } => {
  const isThere = (kind: EngineProcess["kind"]): boolean =>
    workers.processes.some((one) => one.kind === kind && (one.state === "running" || one.state === "draining"));
  const lacking = NEEDED.filter((kind) => !isThere(kind)).map((kind) => KINDS[kind].toLowerCase().replace("api", "API"));
  if (lacking.length > 0) return { sentence: `No ${lacking.join(" and no ")} is running.`, tone: "bad" };
  const silent = workers.processes.filter((one) => one.state === "silent").length;
  if (silent > 0)
    return { sentence: `${silent === 1 ? "A process gives" : `${silent} processes give`} no sign of life.`, tone: "warn" };
  const overdue = workers.lanes.reduce((sum, one) => sum + one.overdue, 0);
  if (overdue > 0)
    return { sentence: `${overdue.toLocaleString("en")} pieces of work were taken long ago and have not ended.`, tone: "warn" };
  return { sentence: "All processes that are needed are running.", tone: "good" };
};

import type { EngineProcess, FailedItem, Lane } from "@/api/workers";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { Instant } from "@/ui/Instant";
import type { PlainColumn } from "@/ui/PlainTable";
import { StateBadge } from "@/ui/StateBadge";
import { KINDS, LANES } from "./worker-words";

type NameOf = (siteId: number | null) => string;

const Site = ({ id, nameOf }: { id: number | null; nameOf: NameOf }) =>
  id === null ? <>{nameOf(id)}</> : <AppLink to={paths.site(id)}>{nameOf(id)}</AppLink>;

/** The run that the work was for; where it is not there any more, its number. */
const Run = ({ one }: { one: FailedItem }) =>
  one.job_id === null || one.occurrence_id === null ? (
    <>{one.run_id}</>
  ) : (
    <AppLink to={paths.jobRun(one.job_id, one.occurrence_id)}>{one.job_name}</AppLink>
  );

const holds = (one: EngineProcess): string => {
  if (one.agents !== null) return `${one.agents.toLocaleString("en")} ${one.agents === 1 ? "agent" : "agents"}`;
  if (one.leases !== null) return `${one.leases.toLocaleString("en")} ${one.leases === 1 ? "lease" : "leases"}`;
  return "–";
};

export const processColumns = (nameOf: NameOf): PlainColumn<EngineProcess>[] => [
  { header: "Process", cell: (one) => <strong>{KINDS[one.kind]}</strong> },
  { header: "State", cell: (one) => <StateBadge state={one.state} /> },
  { header: "Last sign of life", cell: (one) => <Instant at={one.stopped_at ?? one.heartbeat_at} show="relative" /> },
  { header: "Holds", align: "right", cell: holds },
  { header: "Site", cell: (one) => (one.kind === "site_worker" ? <Site id={one.site_id || null} nameOf={nameOf} /> : "all") },
  { header: "Host", cell: (one) => `${one.host}, process ${one.pid}` },
  { header: "Address", cell: (one) => one.address ?? "–" },
  { header: "Version", cell: (one) => one.version },
  { header: "Started", cell: (one) => <Instant at={one.started_at} /> },
];

export const laneColumns = (nameOf: NameOf): PlainColumn<Lane>[] => [
  { header: "Site", cell: (one) => <Site id={one.site_id} nameOf={nameOf} /> },
  { header: "Lane", cell: (one) => LANES[one.lane] ?? one.lane },
  { header: "Queued", align: "right", cell: (one) => one.queued.toLocaleString("en") },
  { header: "Held by workers", align: "right", cell: (one) => one.leased.toLocaleString("en") },
  {
    header: "Of these overdue",
    align: "right",
    cell: (one) => <span data-tone={one.overdue ? "warn" : undefined}>{one.overdue.toLocaleString("en")}</span>,
  },
  { header: "Oldest waits since", cell: (one) => <Instant at={one.oldest_at} show="relative" /> },
];

export const failedColumns = (nameOf: NameOf): PlainColumn<FailedItem>[] => [
  { header: "Given up", cell: (one) => <Instant at={one.finished_at} /> },
  { header: "Run", cell: (one) => <Run one={one} /> },
  { header: "Site", cell: (one) => <Site id={one.site_id} nameOf={nameOf} /> },
  { header: "Lane", cell: (one) => LANES[one.lane] ?? one.lane },
  { header: "Attempts", align: "right", cell: (one) => one.attempt },
  { header: "Why", cell: (one) => <Clamp text={one.error} /> },
];

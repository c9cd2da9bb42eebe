import type { ReactNode } from "react";
import type { Channel, Rule, Told } from "@/api/notifications";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import type { Column } from "@/ui/table-columns";
import { eventInWords, eventsInWords } from "./notification-words";

const LastTry = ({ one }: { one: Channel }) => {
  const hasFailed = one.last_failure_at !== null && (one.last_success_at ?? "") < one.last_failure_at;
  if (hasFailed)
    return (
      <span title={one.last_error ?? undefined}>
        <StateBadge state="failed" plain /> <Instant at={one.last_failure_at} show="relative" />
        <Clamp text={one.last_error} none="" />
      </span>
    );
  if (!one.last_success_at) return <span style={{ color: "var(--wb-dim)" }}>nothing sent yet</span>;
  return (
    <span>
      <StateBadge state="success" plain /> <Instant at={one.last_success_at} show="relative" />
    </span>
  );
};

const timing = (one: Channel): string => {
  const digest = one.digest?.every_minutes
    ? `gathered for ${one.digest.every_minutes} min`
    : one.digest?.daily_at
      ? `gathered until ${one.digest.daily_at}`
      : "at once";
  return one.quiet ? `${digest}, quiet ${one.quiet.from}–${one.quiet.to}` : digest;
};

export const channelColumns = (siteName: (id: number) => string): readonly Column<Channel>[] => [
  {
    id: "name",
    header: "Channel",
    width: 180,
    grow: true,
    fixed: true,
    phone: "title",
    cell: (one) => <strong>{one.name}</strong>,
  },
  { id: "kind", header: "Kind", width: 90, cell: (one) => (one.kind === "email" ? "E-mail" : "Webhook") },
  { id: "destination", header: "Leads to", width: 200, grow: true, cell: (one) => <Clamp text={one.destination} /> },
  { id: "timing", header: "Sent", width: 200, cell: (one) => <Clamp text={timing(one)} /> },
  {
    id: "sites",
    header: "For operators of",
    width: 150,
    cell: (one) => <Clamp text={one.site_ids === null ? "every site" : one.site_ids.map(siteName).join(", ")} />,
  },
  { id: "last", header: "Last try", width: 200, cell: (one) => <LastTry one={one} /> },
  { id: "enabled", header: "On", width: 60, cell: (one) => (one.enabled ? "on" : "off") },
];

export const ruleColumns = (siteName: (id: number) => string, jobName: (id: number) => ReactNode): readonly Column<Rule>[] => [
  {
    id: "of",
    header: "Tells of",
    width: 200,
    grow: true,
    fixed: true,
    phone: "title",
    cell: (one) =>
      one.job_id !== null ? (
        <AppLink to={paths.job(one.job_id)}>{jobName(one.job_id)}</AppLink>
      ) : one.site_id !== null ? (
        `Jobs of ${siteName(one.site_id)}`
      ) : (
        "All jobs"
      ),
  },
  { id: "events", header: "What", width: 300, grow: true, cell: (one) => <Clamp text={eventsInWords(one)} /> },
  {
    id: "channels",
    header: "On",
    width: 200,
    cell: (one) => <Clamp text={one.channels.map((channel) => channel.name ?? "a channel that you do not see").join(", ")} />,
  },
  { id: "enabled", header: "State", width: 80, cell: (one) => (one.enabled ? "on" : "off") },
  { id: "updated_at", header: "Updated", width: 110, cell: (one) => <Instant at={one.updated_at} show="relative" /> },
];

const STATES = { waiting: "pending", sent: "success", failed: "failed" } as const;
const WORDS = { waiting: "waits", sent: "sent", failed: "failed" } as const;

export const TOLD_COLUMNS: readonly Column<Told>[] = [
  { id: "created_at", header: "When", width: 200, cell: (one) => <Instant at={one.created_at} /> },
  {
    id: "job",
    header: "Job or workflow",
    width: 180,
    grow: true,
    fixed: true,
    phone: "title",
    cell: (one) =>
      one.job_id === null ? (
        one.workflow_name
      ) : (
        <AppLink to={paths.jobRun(one.job_id, one.occurrence_id)}>{one.job_name}</AppLink>
      ),
  },
  { id: "event", header: "What", width: 140, cell: (one) => eventInWords(one.event) },
  { id: "sentence", header: "It said", width: 280, grow: true, cell: (one) => <Clamp text={one.sentence} /> },
  {
    id: "deliveries",
    header: "On which channels",
    width: 260,
    cell: (one) => (
      <span style={{ display: "grid", gap: 2 }}>
        {one.deliveries.map((delivery) => (
          <span key={delivery.message_id} title={delivery.error ?? undefined}>
            <StateBadge state={STATES[delivery.state]} plain detail={delivery.error} />{" "}
            {delivery.channel ?? "a channel that you do not see"}: {WORDS[delivery.state]}
            {delivery.state === "waiting" && (
              <>
                {" "}
                until <Instant at={delivery.due_at} show="relative" />
              </>
            )}
          </span>
        ))}
      </span>
    ),
  },
];

import type { WindowBody } from "@/api/windows";

/** A window while it is written: how one choice changes the others, so that the Engine is never told what contradicts itself. */

export type Span = WindowBody["spans"][number];
export type WindowSchedule = Span["schedule"];
export type Attachment = WindowBody["attachments"][number];

export const TYPES = [
  { value: "once", label: "Once" },
  { value: "daily", label: "Every day" },
  { value: "weekly", label: "Every week" },
  { value: "monthly", label: "Every month" },
  { value: "yearly", label: "Every year" },
  { value: "hourly", label: "Every hour" },
  { value: "cron", label: "Cron expression" },
  { value: "rrule", label: "RRULE" },
  { value: "every_30_minutes", label: "Every 30 minutes" },
  { value: "every_15_minutes", label: "Every 15 minutes" },
  { value: "every_10_minutes", label: "Every 10 minutes" },
  { value: "every_5_minutes", label: "Every 5 minutes" },
] as const;

const nextSunday = (now: Date): string => {
  const day = new Date(now.getTime() + ((7 - now.getUTCDay()) % 7 || 7) * 86_400_000);
  return `${day.toISOString().slice(0, 10)}T02:00`;
};

export const newSpan = (zone: string | null, now: Date): Span => ({
  schedule: { type: "weekly", start: nextSunday(now), ...(zone === null ? undefined : { timezone: zone }) },
  duration_seconds: 2 * 3_600,
});

export const newWindow = (zone: string, now: Date): WindowBody => ({
  name: "",
  description: "",
  kind: "deny",
  zone_source: "fixed",
  when_closed: "skip",
  cutoff_seconds: 0,
  stop_at_end: false,
  spans: [newSpan(zone, now)],
  attachments: [],
});

/** Another type of schedule keeps what it shares with the one before, and nothing that it does not have. */
export const ofType = (before: WindowSchedule, type: string): WindowSchedule => {
  const { start, end, count, timezone } = before;
  const kept: WindowSchedule = { type, start, timezone };
  if (type !== "once") Object.assign(kept, { end, count });
  if (type === "cron") return { ...kept, expression: before.expression ?? "0 2 * * 0" };
  if (type === "rrule") return { ...kept, rule: before.rule ?? "FREQ=WEEKLY;BYDAY=SU" };
  return kept;
};

/** A blackout starts nothing, so it has neither a cutoff nor an end at which to stop. */
export const ofKind = (before: WindowBody, kind: WindowBody["kind"]): WindowBody =>
  kind === "deny" ? { ...before, kind, cutoff_seconds: 0, stop_at_end: false } : { ...before, kind };

/** On the clocks of sites spans have no zone of their own. */
export const ofZones = (before: WindowBody, zone_source: WindowBody["zone_source"], zone: string): WindowBody => ({
  ...before,
  zone_source,
  spans: before.spans.map((one) => ({
    ...one,
    schedule: { ...one.schedule, timezone: zone_source === "site" ? undefined : (one.schedule.timezone ?? zone) },
  })),
});

export const UNITS = [
  { value: "minutes", label: "minutes", seconds: 60 },
  { value: "hours", label: "hours", seconds: 3_600 },
  { value: "days", label: "days, to the same time", seconds: null },
] as const;
export type Unit = (typeof UNITS)[number]["value"];

export const lengthOf = (span: Span): { number: number; unit: Unit } => {
  if (span.duration_days) return { number: span.duration_days, unit: "days" };
  const seconds = span.duration_seconds ?? 0;
  return seconds % 3_600 === 0 ? { number: seconds / 3_600, unit: "hours" } : { number: seconds / 60, unit: "minutes" };
};

export const withLength = ({ name, schedule }: Span, number: number, unit: Unit): Span => {
  const seconds = UNITS.find((one) => one.value === unit)?.seconds;
  return seconds ? { name, schedule, duration_seconds: Math.round(number * seconds) } : { name, schedule, duration_days: number };
};

/** Whether it says which thing it is. */
export const isWhole = (one: Attachment): boolean =>
  one.kind === "global" || Boolean(one.site_id ?? one.device_id ?? one.job_id ?? one.filter_id);

import type { Channel, ChannelBody, NotificationEvent, Rule, Told } from "@/api/notifications";

/** What can be told, in words, in the order of how much it matters. */
export const EVENTS: readonly (readonly [NotificationEvent, string, string])[] = [
  ["failed", "Failed", "each time"],
  ["first_failure", "First failure", "after it went well"],
  ["failures_in_a_row", "Failures in a row", "once for each streak"],
  ["recovered", "Recovered", "it goes well again"],
  ["missed", "Missed", "nobody looked when it was due"],
  ["skipped", "Skipped", "it was due and did not run"],
  ["not_started", "Not started", "no device has begun in time"],
  ["slower_than_usual", "Slower than usual", "it takes long"],
  ["brake_tripped", "Brake tripped", "a rollout stopped itself"],
  ["waiting_expired", "Waiting expired", "a device did not come in time"],
];

/** What a list of all that was told may be narrowed to: no rule asks for what a workflow says. */
export const TOLD_EVENTS: readonly (readonly [Told["event"], string])[] = [
  ...EVENTS.map(([event, label]) => [event, label] as const),
  ["message", "Message"],
];

export const eventInWords = (event: string): string => TOLD_EVENTS.find(([one]) => one === event)?.[1] ?? event.replaceAll("_", " ");

export const eventsInWords = (rule: Pick<Rule, "events" | "urgent_events">): string =>
  rule.events.map((one) => `${eventInWords(one)}${rule.urgent_events.includes(one) ? " (urgent)" : ""}`).join(", ");

/** `Authorization: x`, a line for each; null where nothing is said, so that what is stored stays. */
export const headersOf = (text: string): Record<string, string> | null => {
  const lines = text.split("\n").filter((one) => one.trim());
  if (lines.length === 0) return null;
  return Object.fromEntries(
    lines.map((one) => {
      const at = one.indexOf(":");
      return at < 0 ? [one.trim(), ""] : [one.slice(0, at).trim(), one.slice(at + 1).trim()];
    }),
  );
};

export const newChannel = (kind: ChannelBody["kind"], timezone: string): ChannelBody => ({
  kind,
  name: "",
  description: "",
  enabled: true,
  site_ids: null,
  timezone,
  to: [],
});

/** What a save of it as it stands would be given: secrets are left out, and stay. */
export const channelBodyOf = (one: Channel): ChannelBody => ({
  kind: one.kind,
  name: one.name,
  description: one.description,
  enabled: one.enabled,
  site_ids: one.site_ids,
  timezone: one.timezone,
  to: one.to,
  digest: one.digest,
  quiet: one.quiet,
  smtp: one.smtp,
});

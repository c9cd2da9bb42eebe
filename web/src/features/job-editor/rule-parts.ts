/** The rules (RFC 5545) that a few fields can say: read into these, and written from them. Others stay texts. */

export const DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"] as const;
export type Day = (typeof DAYS)[number];
export type Frequency = "DAILY" | "WEEKLY" | "MONTHLY" | "YEARLY";

export interface RuleParts {
  frequency: Frequency;
  interval: number;
  /** weekly: on these days; monthly with `nth`: on that one. Empty = that of the start. */
  days: readonly Day[];
  /** monthly: on this day; -1 = the last. null = that of the start, or by `nth`. */
  monthDay: number | null;
  /** monthly: the first to fourth such weekday; -1 = the last. */
  nth: number | null;
}

const FREQUENCIES: readonly Frequency[] = ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"];

/** null where the rule says more than the fields can. */
export const readRule = (text: string): RuleParts | null => {
  const parts = new Map<string, string>();
  for (const part of text.trim().toUpperCase().split(";")) {
    const [name = "", value = ""] = part.split("=");
    if (!value || parts.has(name)) return null;
    parts.set(name, value);
  }
  const frequency = FREQUENCIES.find((one) => one === parts.get("FREQ"));
  const interval = Number(parts.get("INTERVAL") ?? "1");
  const isKnown = [...parts.keys()].every((name) => ["FREQ", "INTERVAL", "BYDAY", "BYMONTHDAY"].includes(name));
  if (!frequency || !isKnown || !Number.isInteger(interval) || interval < 1) return null;
  return withDays({ frequency, interval, days: [], monthDay: null, nth: null }, parts.get("BYDAY"), parts.get("BYMONTHDAY"));
};

const withDays = (rule: RuleParts, byDay: string | undefined, byMonthDay: string | undefined): RuleParts | null => {
  if (byMonthDay !== undefined) {
    const monthDay = Number(byMonthDay);
    const isOne = Number.isInteger(monthDay) && (monthDay === -1 || (monthDay >= 1 && monthDay <= 31));
    return isOne && rule.frequency === "MONTHLY" && byDay === undefined ? { ...rule, monthDay } : null;
  }
  if (byDay === undefined) return rule;
  if (rule.frequency === "WEEKLY") {
    const days = byDay.split(",");
    const known = DAYS.filter((one) => days.includes(one));
    return known.length === days.length ? { ...rule, days: known } : null;
  }
  const parts = /^([1-4]|-1)([A-Z]{2})$/.exec(byDay);
  const day = DAYS.find((one) => one === parts?.[2]);
  return rule.frequency === "MONTHLY" && parts && day ? { ...rule, nth: Number(parts[1]), days: [day] } : null;
};

export const writeRule = ({ frequency, interval, days, monthDay, nth }: RuleParts): string => {
  const parts = [`FREQ=${frequency}`];
  if (interval > 1) parts.push(`INTERVAL=${String(interval)}`);
  if (frequency === "WEEKLY" && days.length) parts.push(`BYDAY=${DAYS.filter((one) => days.includes(one)).join(",")}`);
  if (frequency === "MONTHLY" && nth !== null) parts.push(`BYDAY=${String(nth)}${days[0] ?? "MO"}`);
  else if (frequency === "MONTHLY" && monthDay !== null) parts.push(`BYMONTHDAY=${String(monthDay)}`);
  return parts.join(";");
};

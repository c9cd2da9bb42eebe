import type { ScheduleDraft } from "./form";
import { addDays, dateText, isWallClock, wallOf } from "./wall-clock";

/** Kinds of schedules in plain words, and the way between these and the custom ones: the same times said otherwise. */

interface Kind {
  value: string;
  label: string;
}

export const PLAIN_KINDS: readonly Kind[] = [
  { value: "immediately", label: "As soon as it is saved" },
  { value: "once", label: "Once" },
  { value: "every_5_minutes", label: "Every 5 minutes" },
  { value: "every_10_minutes", label: "Every 10 minutes" },
  { value: "every_15_minutes", label: "Every 15 minutes" },
  { value: "every_30_minutes", label: "Every 30 minutes" },
  { value: "hourly", label: "Hourly" },
  { value: "daily", label: "Daily" },
  { value: "weekly", label: "Weekly" },
  { value: "monthly", label: "Monthly" },
  { value: "yearly", label: "Yearly" },
];
export const CUSTOM_KINDS: readonly Kind[] = [
  { value: "rrule", label: "Certain days, or every second week (rule)" },
  { value: "cron", label: "Cron expression" },
];

const NEEDS_START = new Set(["once", "daily", "weekly", "monthly", "yearly", "rrule"]);
export const needsStart = (type: string): boolean => NEEDS_START.has(type);

/** What the field of the first time means for this kind. */
export const startWords = (type: string): { label: string; description: string } => {
  const first = "First time";
  const words: Record<string, { label: string; description: string }> = {
    once: { label: "When", description: "It runs once, at this time." },
    daily: { label: first, description: "Then every day at the same time." },
    weekly: { label: first, description: "Then every week on that weekday, at the same time." },
    monthly: { label: first, description: "Then every month on that day; in shorter months on their last day." },
    yearly: { label: first, description: "Then every year on that day." },
    rrule: { label: "From", description: "The rule counts from here, and takes its time of day from here." },
    cron: { label: "Not before", description: "Empty: from now on." },
  };
  return words[type] ?? { label: "Counted from", description: "Empty: aligned to the full hour." };
};

/** Another kind chosen: what was said is kept as far as it can be said in the new kind. */
export const withKind = (before: ScheduleDraft, type: string, today: Date): ScheduleDraft => {
  const plain = plainOf(before, today);
  const kept = plain?.type === type ? { ...before, start: plain.start ?? before.start } : before;
  const start = kept.start || !needsStart(type) ? kept.start : `${dateText(addDays(today, 1))}T03:00`;
  const next = { ...kept, type, start };
  if (type === "cron" && (!before.expression || plainOf({ ...before, type: "cron" }, today)))
    return { ...next, expression: cronOf(before) ?? before.expression };
  if (type === "rrule" && (!before.rule || plainOf({ ...before, type: "rrule" }, today)))
    return { ...next, rule: ruleOf(before) ?? (before.rule || "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR") };
  return next;
};

const MINUTES = /^every_(\d+)_minutes$/;
const CRON_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;

/** A plain schedule as a cron expression; null where cron cannot say the same. */
export const cronOf = (schedule: ScheduleDraft): string | null => {
  const minutes = MINUTES.exec(schedule.type)?.[1];
  if (minutes) return `*/${minutes} * * * *`;
  const wall = wallOf(schedule.start);
  if (schedule.type === "hourly") return `${String(wall?.minute ?? 0)} * * * *`;
  if (!wall) return null;
  const at = `${String(wall.minute)} ${String(wall.hour)}`;
  if (schedule.type === "daily") return `${at} * * *`;
  if (schedule.type === "weekly") return `${at} * * ${CRON_DAYS[wall.weekday] ?? "*"}`;
  if (schedule.type === "monthly" && wall.day <= 28) return `${at} ${String(wall.day)} * *`;
  if (schedule.type === "yearly" && !isLeapDay(wall)) return `${at} ${String(wall.day)} ${String(wall.month)} *`;
  return null;
};

const isLeapDay = ({ month, day }: { month: number; day: number }): boolean => month === 2 && day === 29;

const FREQUENCIES: Readonly<Record<string, string>> = {
  hourly: "FREQ=HOURLY",
  daily: "FREQ=DAILY",
  weekly: "FREQ=WEEKLY",
  monthly: "FREQ=MONTHLY",
  yearly: "FREQ=YEARLY",
};

/** A plain schedule as a rule that counts from the same start; null where a rule says something else (it passes short months over). */
export const ruleOf = (schedule: ScheduleDraft): string | null => {
  const minutes = MINUTES.exec(schedule.type)?.[1];
  if (minutes) return `FREQ=MINUTELY;INTERVAL=${minutes}`;
  const wall = wallOf(schedule.start);
  if (schedule.type === "monthly" && (!wall || wall.day > 28)) return null;
  if (schedule.type === "yearly" && (!wall || isLeapDay(wall))) return null;
  return FREQUENCIES[schedule.type] ?? null;
};

export interface Plain {
  type: string;
  /** Where the first time must be another one. */
  start?: string;
}

/** The plain kind that says the same as a custom schedule, if there is one. */
export const plainOf = (schedule: ScheduleDraft, today: Date): Plain | null => {
  if (schedule.type === "cron") return plainOfCron(schedule.expression, schedule.start, today);
  return schedule.type === "rrule" ? plainOfRule(schedule) : null;
};

const plainOfRule = (schedule: ScheduleDraft): Plain | null => {
  if (schedule.exdate.length + schedule.rdate.length > 0) return null;
  const rule = schedule.rule.trim().toUpperCase();
  const kinds = PLAIN_KINDS.map((one) => one.value);
  const type = kinds.find((one) => ruleOf({ ...schedule, type: one }) === rule);
  return type ? { type } : null;
};

const plainOfCron = (expression: string, start: string, today: Date): Plain | null => {
  const [minute = "", hour = "", day = "", month = "", weekday = "", ...more] = expression.trim().toLowerCase().split(/\s+/);
  if (more.length || !weekday) return null;
  const every = /^\*\/(5|10|15|30)$/.exec(minute)?.[1];
  if (every && [hour, day, month, weekday].every((one) => one === "*")) return { type: `every_${every}_minutes` };
  if (!isNumber(minute, 59)) return null;
  if (hour === "*" && day === "*" && month === "*" && weekday === "*") return minute === "0" ? { type: "hourly" } : null;
  if (!isNumber(hour, 23)) return null;
  const clock = `${hour.padStart(2, "0")}:${minute.padStart(2, "0")}`;
  const wanted = { day, month, weekday };
  const type = kindOf(wanted);
  const date = type && firstDate(start, today, wanted);
  return date ? { type, start: `${date}T${clock}` } : null;
};

const isNumber = (text: string, most: number): boolean => /^\d{1,2}$/.test(text) && Number(text) <= most;
const weekdayOf = (text: string): number => (isNumber(text, 7) ? Number(text) % 7 : CRON_DAYS.findIndex((one) => one === text));

interface CronDays {
  day: string;
  month: string;
  weekday: string;
}

const kindOf = ({ day, month, weekday }: CronDays): string | null => {
  if (day === "*" && month === "*") return weekday === "*" ? "daily" : weekdayOf(weekday) >= 0 ? "weekly" : null;
  if (weekday !== "*" || !isNumber(day, 31) || day === "0") return null;
  if (month === "*") return Number(day) <= 28 ? "monthly" : null;
  return isNumber(month, 12) && month !== "0" && !(Number(month) === 2 && Number(day) > 28) ? "yearly" : null;
};

/** The start as it is where it is one of the days; else the first such day after today. */
const firstDate = (start: string, today: Date, { day, month, weekday }: CronDays): string | null => {
  const fits = (one: { day: number; month: number; weekday: number }): boolean =>
    (day === "*" || one.day === Number(day)) &&
    (month === "*" || one.month === Number(month)) &&
    (weekday === "*" || one.weekday === weekdayOf(weekday));
  const wall = isWallClock(start) ? wallOf(start) : null;
  if (wall && fits(wall)) return start.slice(0, 10);
  for (let ahead = 1; ahead <= 366; ahead++) {
    const date = dateText(addDays(today, ahead));
    const one = wallOf(`${date}T00:00`);
    if (one && fits(one)) return date;
  }
  return null;
};

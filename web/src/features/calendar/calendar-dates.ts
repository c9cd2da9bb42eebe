/** Dates of a calendar as `2026-05-04`, and where they begin on the clocks of a zone. */

export const VIEWS = [
  { value: "month", label: "Month" },
  { value: "week", label: "Week" },
  { value: "day", label: "Day" },
  { value: "agenda", label: "Agenda" },
] as const;
export type ViewName = (typeof VIEWS)[number]["value"];

const DAY = 86_400_000;
const noon = (date: string): Date => new Date(`${date}T12:00:00Z`);
const dateOf = (at: Date): string => at.toISOString().slice(0, 10);

export const isDate = (text: string): boolean => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(noon(text).getTime());

export const addDays = (date: string, days: number): string => dateOf(new Date(noon(date).getTime() + days * DAY));

/** The same day of another month; the last one of a shorter month. */
export const addMonths = (date: string, months: number): string => {
  const [year, month, day] = date.split("-").map(Number);
  const last = new Date(Date.UTC(year ?? 1970, (month ?? 1) + months, 0, 12));
  return dateOf(new Date(Date.UTC(last.getUTCFullYear(), last.getUTCMonth(), Math.min(day ?? 1, last.getUTCDate()), 12)));
};

/** Weeks begin on Monday. */
export const weekOf = (date: string): string => addDays(date, -((noon(date).getUTCDay() + 6) % 7));

export const monthOf = (date: string): string => `${date.slice(0, 7)}-01`;

/** Which date the clocks of a zone show at an instant. */
export const dateIn = (zone: string, at: Date): string =>
  new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" }).format(at);

const offsetAt = (zone: string, at: Date): number => {
  const parts = new Intl.DateTimeFormat("en-GB", {
    timeZone: zone,
    hourCycle: "h23",
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
  }).formatToParts(at);
  const part = (type: string): number => Number(parts.find((one) => one.type === type)?.value ?? 0);
  const wall = Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
  return wall - Math.floor(at.getTime() / 1_000) * 1_000;
};

/** When a date begins on the clocks of a zone. */
export const beginningOf = (date: string, zone: string): Date => {
  const wall = new Date(`${date}T00:00:00Z`).getTime();
  const first = wall - offsetAt(zone, new Date(wall));
  return new Date(wall - offsetAt(zone, new Date(first)));
};

export interface Shown {
  /** The first date, and the one after the last. */
  first: string;
  end: string;
  step: "hour" | "day";
  /** So many jobs of each stretch are told. */
  jobs: number;
}

/** What a view of a date shows. */
export const shownBy = (view: ViewName, date: string, days: number): Shown => {
  if (view === "day") return { first: date, end: addDays(date, 1), step: "hour", jobs: 50 };
  if (view === "week") return { first: weekOf(date), end: addDays(weekOf(date), 7), step: "day", jobs: 40 };
  if (view === "agenda") return { first: date, end: addDays(date, days), step: "day", jobs: 1 };
  const first = weekOf(monthOf(date));
  const end = addDays(weekOf(addDays(addMonths(monthOf(date), 1), -1)), 7);
  return { first, end, step: "day", jobs: 5 };
};

/** The date that one press further leads to. */
export const moved = (view: ViewName, date: string, days: number, way: 1 | -1): string => {
  if (view === "month") return addMonths(monthOf(date), way);
  return addDays(date, way * { day: 1, week: 7, agenda: days }[view]);
};

const words = (date: string, options: Intl.DateTimeFormatOptions): string =>
  // Versions of a browser differ in whether a comma stands after the day of the week.
  new Intl.DateTimeFormat("en-GB", { ...options, timeZone: "UTC" }).format(noon(date)).replaceAll(",", "");

/** `May 2026`, `Mon 4 May – Sun 10 May 2026`, `Mon 4 May 2026`. */
export const titleOf = (view: ViewName, date: string, days: number): string => {
  if (view === "month") return words(date, { month: "long", year: "numeric" });
  const { first, end } = shownBy(view, date, days);
  const last = addDays(end, -1);
  const day = { weekday: "short", day: "numeric", month: "short" } as const;
  if (first === last) return words(first, { ...day, year: "numeric" });
  return `${words(first, day)} – ${words(last, { ...day, year: "numeric" })}`;
};

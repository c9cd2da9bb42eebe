/** Instants and durations in words. Shows what the Engine said; computes nothing that it knows. */

export type ZoneChoice = "mine" | "site" | "utc";

export const browserZone = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** Every zone there is to choose from, these first. */
export const zoneNames = (...first: string[]): string[] => [...new Set([...first, "UTC", ...Intl.supportedValuesOf("timeZone")])];

/** The zone that times are shown in. Where a site's clocks are asked for and there is no site, one's own are used. */
export const zoneOf = (choice: ZoneChoice, siteZone?: string | null): string => {
  if (choice === "utc") return "UTC";
  return choice === "site" && siteZone ? siteZone : browserZone();
};

const formats = new Map<string, Intl.DateTimeFormat>();

const format = (zone: string, kind: "full" | "day" | "clock" | "name"): Intl.DateTimeFormat => {
  const key = `${kind} ${zone}`;
  const known = formats.get(key);
  if (known) return known;
  const clock = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  const options: Record<typeof kind, Intl.DateTimeFormatOptions> = {
    full: { weekday: "short", year: "numeric", month: "short", day: "2-digit", ...clock, second: "2-digit" },
    day: { weekday: "short", month: "short", day: "2-digit" },
    clock,
    name: { timeZoneName: "short" },
  };
  const made = new Intl.DateTimeFormat("en-GB", { ...options[kind], timeZone: zone });
  formats.set(key, made);
  return made;
};

/** How the zone calls itself at that instant: `CET`, `GMT+2`, `UTC`. */
export const zoneName = (zone: string, at: Date = new Date()): string =>
  zone === "UTC"
    ? "UTC"
    : (format(zone, "name")
        .formatToParts(at)
        .find((part) => part.type === "timeZoneName")?.value ?? zone);

/** `Sun, 29 Nov 2026, 03:00:00 CET`. */
export const absolute = (at: string | Date, zone: string): string => {
  const when = new Date(at);
  return `${format(zone, "full").format(when)} ${zoneName(zone, when)}`;
};

const dayNumber = (at: Date, zone: string): string =>
  new Intl.DateTimeFormat("en-CA", { timeZone: zone, year: "numeric", month: "2-digit", day: "2-digit" }).format(at);

/** `today 03:00`, `tomorrow 03:00`, `Sun, 29 Nov 03:00`; with the year where it is another one. Without the zone's name. */
export const short = (at: string | Date, zone: string, now: Date = new Date()): string => {
  const when = new Date(at);
  const clock = format(zone, "clock").format(when);
  const day = dayNumber(when, zone);
  const near: Record<string, string> = {
    [dayNumber(now, zone)]: "today",
    [dayNumber(new Date(now.getTime() + 86_400_000), zone)]: "tomorrow",
    [dayNumber(new Date(now.getTime() - 86_400_000), zone)]: "yesterday",
  };
  const word = near[day];
  if (word) return `${word} ${clock}`;
  const year = day.slice(0, 4) === dayNumber(now, zone).slice(0, 4) ? "" : ` ${day.slice(0, 4)}`;
  return `${format(zone, "day").format(when)}${year} ${clock}`;
};

const UNITS: readonly (readonly [number, string])[] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
];

/** Far away nobody counts days. */
const FAR: readonly (readonly [number, number, string])[] = [
  [2 * 365.25 * 86_400, 365.25 * 86_400, "years"],
  [90 * 86_400, 30.44 * 86_400, "months"],
];

/** The two largest units: `2 d 4 h`, `1 h 5 min`, `12 s`; below ten seconds with a decimal where there is one. */
export const duration = (seconds: number): string => {
  if (seconds < 10 && !Number.isInteger(seconds)) return `${seconds.toFixed(1)} s`;
  let left = Math.round(Math.max(seconds, 0));
  const parts: string[] = [];
  for (const [size, unit] of UNITS) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ") || "0 s";
};

/** `in 5 min`, `2 h ago`, `now`: the largest unit, as relative times are read at a glance. */
export const relative = (at: string | Date, now: Date = new Date()): string => {
  const seconds = (new Date(at).getTime() - now.getTime()) / 1000;
  const far = Math.abs(seconds);
  if (far < 1) return "now";
  const distant = FAR.find(([bound]) => far >= bound);
  if (distant) {
    const many = `${Math.round(far / distant[1])} ${distant[2]}`;
    return seconds > 0 ? `in ${many}` : `${many} ago`;
  }
  const [size, unit] = UNITS.find(([bound]) => far >= bound) ?? [1, "s"];
  const count = size === 1 || size === 60 ? Math.floor(far / size) : Math.round(far / size);
  return seconds > 0 ? `in ${count} ${unit}` : `${count} ${unit} ago`;
};

/** From the value of an `<input type="datetime-local">`, read on this browser's clocks, to what the API takes. */
export const toInstant = (local: string): string | null => {
  const when = new Date(local);
  return local && !Number.isNaN(when.getTime()) ? when.toISOString() : null;
};

/** An instant as `<input type="datetime-local">` takes it. */
export const toLocalInput = (at: Date): string => {
  const shifted = new Date(at.getTime() - at.getTimezoneOffset() * 60_000);
  return shifted.toISOString().slice(0, 16);
};

import type { Cell, Stretch } from "@/api/calendar";
import { inCountOrder, stateMark } from "@/lib/states";
import { duration } from "@/lib/time";

/** Occurrences in a calendar, in few words. */

const WORST: readonly string[] = ["failed", "missed", "held", "warning", "open", "skipped", "cancelled", "success", "planned"];

/** The state that a job's mark shows: the worst of those that it has there. */
export const worstOf = (counts: Readonly<Record<string, number>>): string =>
  WORST.find((one) => (counts[one] ?? 0) > 0) ?? Object.keys(counts)[0] ?? "planned";

/** `03:00`, `every 15 min ×96`, `×3`. */
export const timesInWords = (cell: Pick<Cell, "number" | "period_seconds">, clock: string): string => {
  if (cell.number === 1) return clock;
  const times = `×${cell.number.toLocaleString("en")}`;
  return cell.period_seconds ? `every ${duration(cell.period_seconds)} ${times}` : times;
};

export const countsInWords = (counts: Readonly<Record<string, number>>): string =>
  inCountOrder(counts)
    .map(([state, number]) => `${number.toLocaleString("en")} ${stateMark(state).word.toLowerCase()}`)
    .join(", ");

/** `23 h long: the clocks go forward by 1 h`; null for a day like any other. */
export const clockChange = (stretch: Pick<Stretch, "starts_at" | "ends_at">): string | null => {
  const seconds = (new Date(stretch.ends_at).getTime() - new Date(stretch.starts_at).getTime()) / 1_000;
  const gap = 86_400 - seconds;
  if (seconds <= 3_600 || gap === 0 || Math.abs(gap) > 7_200) return null;
  return `${seconds / 3_600} h long: the clocks go ${gap > 0 ? "forward" : "back"} by ${duration(Math.abs(gap))}`;
};

/** How dark a field of the load is, 0 to 4: shares of the most that there is. */
export const heatOf = (devices: number, most: number): number =>
  devices <= 0 || most <= 0 ? 0 : Math.max(1, Math.ceil((devices / most) * 4));

/** How much of a stretch lies within others: none, a part, or all of it. */
export const coveredBy = (
  stretch: Pick<Stretch, "starts_at" | "ends_at">,
  others: readonly { starts_at: string; ends_at: string | null }[],
): "none" | "part" | "all" => {
  const begin = new Date(stretch.starts_at).getTime();
  const end = new Date(stretch.ends_at).getTime();
  let covered = 0;
  for (const one of others) {
    const from = Math.max(begin, new Date(one.starts_at).getTime());
    const to = Math.min(end, one.ends_at === null ? end : new Date(one.ends_at).getTime());
    covered += Math.max(0, to - from);
  }
  if (covered === 0) return "none";
  return covered >= end - begin ? "all" : "part";
};

/** Spans of time as an address says them: some hours back, or from one instant to another. */

export const RANGES = [
  { value: "24h", label: "Last 24 hours", hours: 24 },
  { value: "7d", label: "Last 7 days", hours: 7 * 24 },
  { value: "30d", label: "Last 30 days", hours: 30 * 24 },
  { value: "all", label: "All time", hours: null },
  { value: "between", label: "From … to …", hours: null },
] as const;
export type RangeName = (typeof RANGES)[number]["value"];
export const RANGE_NAMES: readonly RangeName[] = RANGES.map((one) => one.value);

export interface RangeState {
  range: RangeName;
  from: string;
  to: string;
}
export interface Bounds {
  from?: string;
  to?: string;
}

const isInstant = (text: string): boolean => text !== "" && !Number.isNaN(new Date(text).getTime());

/** What it means at `now`. Spans that go up to now have no end, so that what happens next is in them. */
export const boundsOf = ({ range, from, to }: RangeState, now: Date): Bounds => {
  if (range === "between") return { ...(isInstant(from) ? { from } : undefined), ...(isInstant(to) ? { to } : undefined) };
  const hours = RANGES.find((one) => one.value === range)?.hours;
  return hours ? { from: new Date(now.getTime() - hours * 3_600_000).toISOString() } : {};
};

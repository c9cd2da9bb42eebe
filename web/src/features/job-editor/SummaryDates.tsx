import type { PreviewInstant } from "@/api/job-editor";
import { absolute, relative } from "@/lib/time";
import { useNow } from "@/lib/use-now";
import { useZone } from "@/lib/zone";
import classes from "./job-editor.module.css";

const FLAGS: Readonly<Record<PreviewInstant["flags"][number], { word: string; means: string; tone: string }>> = {
  shifted_gap: {
    word: "clocks skip it",
    means: "The clocks go forward over this time; it runs later by what they skip.",
    tone: "warn",
  },
  first_of_two: {
    word: "comes twice",
    means: "The clocks go back, and this time comes twice; it runs at the first.",
    tone: "warn",
  },
  clamped: { word: "month's end", means: "The month is shorter; it runs on its last day.", tone: "idle" },
  in_blackout: { word: "window closed", means: "A window is closed for the whole job then.", tone: "bad" },
  held: { word: "held", means: "It waits for the window to open.", tone: "warn" },
};

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;

/** `2027-03-28T02:30` as `Sun 2027-03-28 02:30`: the wall clock as the Engine tells it. */
const wall = (local: string): string => {
  const day = new Date(`${local.slice(0, 10)}T00:00:00Z`).getUTCDay();
  return `${DAYS[day] ?? ""} ${local.replace("T", " ")}`;
};

/** The coming times, each on the clocks of the schedule, with what is out of the ordinary. */
export const SummaryDates = ({ instants, zone }: { instants: readonly PreviewInstant[]; zone: string }) => {
  const now = useNow();
  const mine = useZone(zone);
  if (instants.length === 0) return null;
  return (
    <ol className={classes.dates} aria-label="Next times">
      {instants.map((one) => (
        <li key={one.at}>
          <time dateTime={one.at} title={`${absolute(one.at, mine)} · ${relative(one.at, now)}`}>
            {wall(one.local)} <span className={classes.dim}>{one.offset ?? "on each clock"}</span>
          </time>
          <Marks one={one} />
        </li>
      ))}
    </ol>
  );
};

const Marks = ({ one }: { one: PreviewInstant }) => (
  <>
    {one.flags.map((flag) => (
      <span key={flag} className={classes.flag} data-tone={FLAGS[flag].tone} title={FLAGS[flag].means}>
        {FLAGS[flag].word}
      </span>
    ))}
    {one.blocked.map((window) => (
      <span key={window.window} className={classes.flag} data-tone="warn">
        {window.kind === "deny" ? "blackout" : "outside of"} {window.window}: {window.devices.toLocaleString("en")}
      </span>
    ))}
    {one.first_start_at && one.last_start_at && one.first_start_at !== one.last_start_at && (
      <span className={classes.dim}>
        first {absolute(one.first_start_at, "UTC").slice(0, 24)}, last {absolute(one.last_start_at, "UTC").slice(0, 24)} UTC
      </span>
    )}
    {one.passed_over.length > 0 && <span className={classes.dim}>{one.passed_over.join(", ")}</span>}
  </>
);

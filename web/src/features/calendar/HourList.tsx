import type { Stretch } from "@/api/calendar";
import { paths } from "@/lib/paths";
import { zoneName } from "@/lib/time";
import { countsInWords } from "./calendar-words";
import { CellChip } from "./CellChip";
import classes from "./calendar.module.css";

interface HourListProps {
  stretches: readonly Stretch[];
  zone: string;
  date: string;
  now: Date;
  filters: { site_id: number | null; q: string };
}

/** A day hour by hour. Where the clocks change, an hour is told twice or not at all, with its zone's name. */
export const HourList = ({ stretches, zone, date, now, filters }: HourListProps) => {
  const clock = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const names = new Set(stretches.map((one) => zoneName(zone, new Date(one.starts_at))));
  return (
    <ol className={classes.hours}>
      {stretches.map((one) => {
        const begins = new Date(one.starts_at);
        const isNow = begins <= now && now < new Date(one.ends_at);
        const devices = one.load.reduce((sum, there) => sum + there.starts, 0);
        const more = one.jobs - one.cells.length;
        return (
          <li key={one.starts_at} className={classes.hour} data-now={isNow}>
            <span className={classes.clock}>
              {clock.format(begins)}
              {names.size > 1 && <small> {zoneName(zone, begins)}</small>}
              {isNow && <small> now</small>}
            </span>
            <span className={classes.chips}>
              {one.cells.map((cell) => (
                <CellChip
                  key={cell.job_id}
                  cell={cell}
                  zone={zone}
                  all={(job_id) => paths.calendar({ ...filters, view: "agenda", date, days: 1, job_id })}
                />
              ))}
              {more > 0 && <span className={classes.more}>and {more.toLocaleString("en")} more jobs</span>}
            </span>
            <span className={classes.sum} title={countsInWords(one.outcomes)}>
              {devices > 0 && `${devices.toLocaleString("en")} ${devices === 1 ? "device" : "devices"}`}
            </span>
          </li>
        );
      })}
    </ol>
  );
};

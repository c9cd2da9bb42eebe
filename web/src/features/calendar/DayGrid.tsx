import type { Stretch } from "@/api/calendar";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { dateIn } from "./calendar-dates";
import { clockChange, countsInWords } from "./calendar-words";
import { CellChip } from "./CellChip";
import classes from "./calendar.module.css";

interface DayGridProps {
  stretches: readonly Stretch[];
  zone: string;
  today: string;
  /** Of a month: the dates that belong to it, as `2026-05`. Days around it are paler. */
  month?: string;
  filters: { job_id: number | null; site_id: number | null; q: string };
}

const name = (zone: string, at: string, options: Intl.DateTimeFormatOptions): string =>
  new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone }).format(new Date(at));

/** Days as fields of a week or of a month: what each job has there, and how much is not told one by one. */
export const DayGrid = ({ stretches, zone, today, month, filters }: DayGridProps) => (
  <ol className={classes.days} data-month={month !== undefined}>
    {stretches.map((one) => {
      const date = dateIn(zone, new Date(one.starts_at));
      const more = one.jobs - one.cells.length;
      const change = clockChange(one);
      const day = paths.calendar({ ...filters, view: "day", date });
      return (
        <li
          key={one.starts_at}
          className={classes.day}
          data-today={date === today}
          data-outside={month !== undefined && !date.startsWith(month)}
          data-empty={one.number === 0}
        >
          <div className={classes.head}>
            <AppLink to={day} className={classes.date} aria-current={date === today ? "date" : undefined}>
              <span className={classes.weekday}>{name(zone, one.starts_at, { weekday: "short" })}</span>{" "}
              {name(zone, one.starts_at, { day: "numeric", ...(date.endsWith("-01") ? { month: "short" } : undefined) })}
              <span className="wb-only-read">
                {" "}
                {name(zone, one.starts_at, { month: "long" })}: {one.number.toLocaleString("en")} occurrences
              </span>
            </AppLink>
            {one.number > 0 && (
              <span className={classes.sum} title={countsInWords(one.outcomes)}>
                {one.number.toLocaleString("en")}
              </span>
            )}
          </div>
          {change && <div className={classes.change}>{change}</div>}
          {one.cells.map((cell) => (
            <CellChip
              key={cell.job_id}
              cell={cell}
              zone={zone}
              all={(job_id) => paths.calendar({ ...filters, view: "agenda", date, days: 1, job_id })}
            />
          ))}
          {more > 0 && (
            <AppLink to={day} className={classes.more}>
              {more.toLocaleString("en")} more {more === 1 ? "job" : "jobs"}
            </AppLink>
          )}
        </li>
      );
    })}
  </ol>
);

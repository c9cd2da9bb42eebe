import type { Cell } from "@/api/calendar";
import { paths } from "@/lib/paths";
import { stateMark } from "@/lib/states";
import { AppLink } from "@/ui/AppLink";
import { Icon } from "@/ui/icons";
import { countsInWords, timesInWords, worstOf } from "./calendar-words";
import classes from "./calendar.module.css";

const clockIn = (zone: string, at: string): string =>
  new Intl.DateTimeFormat("en-GB", { timeZone: zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" }).format(new Date(at));

interface CellChipProps {
  cell: Cell;
  zone: string;
  /** Where many at once are told one by one. */
  all: (jobId: number) => string;
}

/** One job in a day or an hour: its worst state, when, and how often. Leads to its run, to its job, or to all of them. */
export const CellChip = ({ cell, zone, all }: CellChipProps) => {
  const state = worstOf(cell.outcomes);
  const { icon, tone, word } = stateMark(state);
  const times = timesInWords(cell, clockIn(zone, cell.first_at));
  const single = cell.occurrence_id && hasRun(state) ? paths.jobRun(cell.job_id, cell.occurrence_id) : paths.job(cell.job_id);
  const fate = `${cell.number === 1 ? word.toLowerCase() : countsInWords(cell.outcomes)}${cell.is_late ? ", late" : ""}`;
  return (
    <AppLink
      to={cell.number === 1 ? single : all(cell.job_id)}
      className={classes.chip}
      data-tone={tone}
      data-planned={state === "planned"}
      title={`${times} ${cell.job_name}: ${fate}`}
    >
      <Icon name={icon} size={12} />
      <span className={classes.times}>{times}</span> <span className={classes.job}>{cell.job_name}</span>
      <span className="wb-only-read">: {fate}</span>
    </AppLink>
  );
};

const hasRun = (state: string): boolean => !["planned", "missed", "held", "skipped"].includes(state);

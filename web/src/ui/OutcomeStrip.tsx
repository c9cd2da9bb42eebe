import { occurrenceState, stateMark } from "@/lib/states";
import { short, zoneName } from "@/lib/time";
import { useZone } from "@/lib/zone";
import { AppLink } from "./AppLink";
import classes from "./ui.module.css";

interface Outcome {
  id: string;
  scheduled_for_at: string;
  state: string;
  outcome: string | null;
}

const MOST = 10;

/** The last ten occurrences as bars, oldest first: each a link that says what it was. Bad ones are tall, so that shape tells too. */
export const OutcomeStrip = ({ outcomes, linkOf }: { outcomes: readonly Outcome[]; linkOf: (id: string) => string }) => {
  const zone = useZone();
  if (outcomes.length === 0) return <span className={classes.dim}>no runs yet</span>;
  return (
    <span className={classes.strip} role="group" aria-label="Last outcomes, oldest first">
      {[...outcomes.slice(0, MOST)].reverse().map((one) => {
        const { word, tone } = stateMark(occurrenceState(one));
        const said = `${word}, ${short(one.scheduled_for_at, zone)} ${zoneName(zone, new Date(one.scheduled_for_at))}`;
        return (
          <AppLink key={one.id} to={linkOf(one.id)} className={classes.bar} data-tone={tone} title={said} aria-label={said} />
        );
      })}
    </span>
  );
};

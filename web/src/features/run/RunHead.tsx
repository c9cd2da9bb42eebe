import { Progress } from "@mantine/core";
import type { ReactNode } from "react";
import type { Occurrence, TargetState } from "@/api/runs";
import { contextInWords, kindInWords } from "@/lib/kinds";
import { occurrenceState, stateMark } from "@/lib/states";
import { duration } from "@/lib/time";
import { useNow } from "@/lib/use-now";
import { AppLink } from "@/ui/AppLink";
import { CountsBar } from "@/ui/CountsBar";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import classes from "./run.module.css";

interface RunHeadProps {
  one: Occurrence;
  /** The states that the rows are narrowed to. */
  chosen: readonly TargetState[];
  linkOf: (state: string) => string;
  verdictLinkOf: (verdict: string) => string;
  /** Of which occurrence this is a rerun. */
  originLink: string | null;
  /** Waves, stops: further lines. */
  children?: ReactNode;
}

/** What became of a run, at a glance: its outcome in a sentence, its counts, how long it takes, and by whom it was begun. */
export const RunHead = ({ one, chosen, linkOf, verdictLinkOf, originLink, children }: RunHeadProps) => (
  <section className={`wb-panel ${classes.head}`} aria-label="The run">
    <div className={classes.outcome}>
      <StateBadge state={occurrenceState(one)} detail={one.detail} />
      <strong>{one.sentence}</strong>
      <Elapsed one={one} />
    </div>
    {one.state !== "held" && <CountsBar counts={one.counts} linkOf={linkOf} chosen={chosen.length === 1 ? chosen[0] : null} />}
    {Object.keys(one.verdicts).length > 0 && (
      <div className={classes.facts}>
        <span>Checks:</span>
        {Object.entries(one.verdicts).map(([verdict, number]) => (
          <AppLink key={verdict} to={verdictLinkOf(verdict)}>
            {number.toLocaleString("en")} {stateMark(verdict).word.toLowerCase()}
          </AppLink>
        ))}
      </div>
    )}
    <div className={classes.facts}>
      <span>
        {one.kind === "schedule" ? "Due" : "Started"} <Instant at={one.scheduled_for_at} />
      </span>
      <span>
        <Icon name={one.started_by_name ? "person" : "due"} size={13} />{" "}
        {kindInWords(one.kind, one.started_by_name, originLink !== null)}
      </span>
      {originLink && (
        <AppLink to={originLink} style={{ textDecoration: "underline" }}>
          repeats an earlier run
        </AppLink>
      )}
      <span>revision {one.job_revision}</span>
      {one.runs[0]?.execution_context && <span>{contextInWords(one.runs[0].execution_context)}</span>}
      {one.ignores_windows && (
        <span className={classes.warn}>regardless of windows{one.start_reason ? `: ${one.start_reason}` : ""}</span>
      )}
      {!one.ignores_windows && one.start_reason && <span>{one.start_reason}</span>}
    </div>
    {children}
  </section>
);

/** How long it takes, against how long it usually does. */
export const Elapsed = ({ one }: { one: Occurrence }) => {
  const now = useNow();
  if (!one.opened_at) return null;
  const end = one.closed_at ? new Date(one.closed_at) : now;
  const seconds = Math.max(0, (end.getTime() - new Date(one.opened_at).getTime()) / 1000);
  const usual = one.usual_seconds;
  // A few seconds more than a few seconds are nothing to speak of.
  const isLong = usual !== null && seconds > usual * 1.5 + 5;
  const said = `${duration(one.closed_at ? seconds : Math.round(seconds))}${usual === null ? "" : `, usually ${duration(usual)}`}`;
  return (
    <span className={classes.elapsed} data-tone={isLong ? "warn" : undefined}>
      {usual !== null && one.closed_at === null && (
        <Progress
          value={Math.min(100, (100 * seconds) / Math.max(usual, 0.1))}
          size="sm"
          w={90}
          color={isLong ? "orange" : undefined}
          aria-label="Elapsed of the usual time"
        />
      )}
      {isLong && <Icon name="warning" size={13} />}
      <span>{said}</span>
    </span>
  );
};

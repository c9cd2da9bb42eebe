import { memo, type ReactNode } from "react";
import { type DeviceRow, type Execution, executionState, isOver } from "@/api/runs";
import { whyOf, whyRow } from "@/lib/reasons";
import { Duration } from "@/ui/Duration";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import { StateBadge } from "@/ui/StateBadge";
import classes from "./run-table.module.css";
import { Countdown } from "./Countdown";
import { RecapChips } from "./RecapChips";
import { sessionsOf } from "./sessions";

interface RunRowProps {
  row: DeviceRow;
  index: number;
  /** j and k came here. */
  isAt: boolean;
  isOpen: boolean;
  hasWaves: boolean;
  mayStop: string | null;
  tick: ReactNode;
  onOpen: (execution?: string) => void;
  onStop: (row: DeviceRow) => void;
}

/** A device of a run; a card on a phone. Below it the sessions that a job of signed-in users ran in, each a row of its own. */
export const RunRow = ({ row, index, isAt, isOpen, hasWaves, mayStop, tick, onOpen, onStop }: RunRowProps) => {
  const why = whyRow(row);
  const sessions = sessionsOf(row.executions);
  return (
    <>
      <div
        role="row"
        aria-rowindex={index + 2}
        aria-current={isOpen ? "true" : undefined}
        className={classes.row}
        data-at={isAt}
        data-waves={hasWaves}
      >
        <span role="cell" className={classes.tick}>
          {tick}
        </span>
        <span role="cell" className={classes.state}>
          <StateBadge state={row.state} />
          {row.verdict && <StateBadge state={row.verdict} plain />}
        </span>
        <span role="cell" className={classes.device}>
          <button type="button" className={classes.name} onClick={() => onOpen()} title={row.device.hostname}>
            {row.device.hostname}
          </button>
          <span className={classes.under}>
            {[row.device.site_name, row.device.online ? null : "offline"].filter(Boolean).join(" · ")}
          </span>
        </span>
        <span role="cell" className={classes.what}>
          {row.recap && <RecapChips recap={row.recap} />}
          {row.last_line && !row.recap && (
            <code className={classes.line} title={row.last_line}>
              {row.last_line}
            </code>
          )}
          {why && (
            <span className={classes.why} title={why}>
              {why}
            </span>
          )}
          {row.state === "connecting" && row.deadline_at && <Countdown until={row.deadline_at} />}
          {!row.last_line && !row.recap && !why && row.state !== "connecting" && <span className={classes.under}>–</span>}
        </span>
        <span role="cell" className={classes.number} data-header="Exit">
          {row.exit_code ?? "–"}
        </span>
        <span role="cell" className={classes.number} data-header="Duration">
          {row.started_at ? <Duration since={row.started_at} until={row.finished_at} /> : "–"}
        </span>
        <span role="cell" className={classes.number} data-header="Try">
          {row.attempt > 0 ? row.attempt : "–"}
        </span>
        {hasWaves && (
          <span role="cell" className={classes.number} data-header="Wave">
            {row.wave}
          </span>
        )}
        <span role="cell" className={classes.actions}>
          {!isOver(row.state) && row.state !== "cancelling" && (
            <IconAction label={`Stop ${row.device.hostname}`} icon="stop" reason={mayStop} onClick={() => onStop(row)} />
          )}
        </span>
      </div>
      {sessions.map((one) => (
        <Session
          key={one.session}
          execution={one.last}
          hostname={row.device.hostname}
          hasWaves={hasWaves}
          onOpen={() => onOpen(one.last.id)}
        />
      ))}
    </>
  );
};

interface SessionProps {
  execution: Execution;
  hostname: string;
  hasWaves: boolean;
  onOpen: () => void;
}

/** What ran in one session of a signed-in user. */
const Session = memo(({ execution, hostname, hasWaves, onOpen }: SessionProps) => (
  <div role="row" className={classes.session} data-waves={hasWaves}>
    <span role="cell">
      <StateBadge state={executionState(execution)} />
    </span>
    <span role="cell">
      <button
        type="button"
        className={classes.name}
        onClick={onOpen}
        aria-label={`${execution.session_user_name ?? "Session"} on ${hostname}`}
      >
        <Icon name="person" size={13} /> {execution.session_user_name ?? `session ${execution.session_id ?? ""}`}
      </button>
    </span>
    <span role="cell" className={classes.what}>
      {execution.last_line ? (
        <code className={classes.line}>{execution.last_line}</code>
      ) : (
        <span className={classes.why}>{whyOf(execution) ?? "–"}</span>
      )}
    </span>
    <span role="cell" className={classes.number}>
      {execution.exit_code ?? "–"}
    </span>
    <span role="cell" className={classes.number}>
      {execution.started_at ? <Duration since={execution.started_at} until={execution.finished_at} /> : "–"}
    </span>
  </div>
));
Session.displayName = "Session";

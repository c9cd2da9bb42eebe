import type { WorkflowRun } from "@/api/workflow-types";
import { stateMark } from "@/lib/states";
import { duration } from "@/lib/time";
import { useNow } from "@/lib/use-now";
import { EmptyState } from "@/ui/EmptyState";
import { Icon } from "@/ui/icons";
import { ganttOf, type Line, type Part } from "./gantt";
import classes from "./gantt.module.css";

interface GanttViewProps {
  run: WorkflowRun;
  shown: string | null;
  onChoose: (nodeId: string) => void;
}

const percent = (share: number): string => `${(share * 100).toFixed(3)}%`;

/** When each node waited and worked, from the start of the run. Its lines keep their places. */
export const GanttView = ({ run, shown, onChoose }: GanttViewProps) => {
  const now = useNow();
  const gantt = ganttOf(run, now.getTime());
  if (!gantt)
    return (
      <EmptyState icon="due" title="It has not begun.">
        Its nodes are drawn here, on an axis of time, once it has.
      </EmptyState>
    );
  return (
    <>
      <div className={classes.legend} aria-hidden="true">
        <span>
          <i data-kind="working" /> working
        </span>
        <span>
          <i data-kind="waiting" /> waiting
        </span>
        <span>time since the start, {duration(gantt.seconds)} in all</span>
      </div>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a part that scrolls must be reached by the keyboard */}
      <div className={classes.scroller} role="region" aria-label="Timeline of the run" tabIndex={0}>
        <div className={classes.axis} aria-hidden="true">
          <span />
          <div className={classes.track}>
            {gantt.ticks.map((tick) => (
              <span key={tick.seconds} className={classes.tick} data-end={tick.at > 0.95} style={{ left: percent(tick.at) }}>
                {tick.seconds === 0 ? "0" : duration(tick.seconds)}
              </span>
            ))}
          </div>
        </div>
        <ul className={classes.lines}>
          {gantt.lines.map((line) => (
            <li key={line.id}>
              <button type="button" className={classes.line} aria-pressed={line.id === shown} onClick={() => onChoose(line.id)}>
                <span className={classes.name} data-tone={stateMark(line.state).tone}>
                  <Icon name={stateMark(line.state).icon} size={13} />
                  <span>{line.name}</span>
                  <span className="wb-only-read">{spokenLine(line)}</span>
                </span>
                <span className={classes.track}>
                  {gantt.ticks.map((tick) => (
                    <span key={tick.seconds} className={classes.rule} style={{ left: percent(tick.at) }} />
                  ))}
                  {line.parts.map((part) => (
                    <Bar key={part.kind + String(part.left)} part={part} line={line} />
                  ))}
                </span>
              </button>
            </li>
          ))}
        </ul>
      </div>
    </>
  );
};

const Bar = ({ part, line }: { part: Part; line: Line }) => {
  const said = `${part.kind === "waiting" ? "waited" : "worked"} ${duration(part.seconds)}`;
  const isLast = part === line.parts.at(-1);
  const end = part.left + part.width;
  return (
    <>
      <span
        className={classes.bar}
        data-kind={part.kind}
        data-tone={stateMark(line.state).tone}
        title={`${line.name}: ${said}`}
        style={{ left: percent(part.left), width: percent(part.width) }}
      />
      {isLast && line.seconds !== null && (
        <span
          className={classes.length}
          aria-hidden="true"
          style={end > 0.86 ? { right: percent(1 - (line.parts[0]?.left ?? part.left)) } : { left: percent(end) }}
        >
          {duration(line.seconds)}
        </span>
      )}
    </>
  );
};

const spokenLine = (line: Line): string => {
  const parts = line.parts.map((one) => `${one.kind === "waiting" ? "waited" : "worked"} ${duration(one.seconds)}`);
  return `: ${[stateMark(line.state).word, ...parts].join(", ")}`;
};

import type { AddressTask } from "@/api/onboarding";
import { absolute } from "@/lib/time";
import { useZone } from "@/lib/zone";
import { Duration } from "@/ui/Duration";
import { Icon } from "@/ui/icons";
import classes from "./onboarding.module.css";
import { TASK_MARKS, taskInWords } from "./address-words";

/** What was done at an address, task by task, with what the machine said. */
export const Timeline = ({ tasks }: { tasks: readonly AddressTask[] }) => {
  const zone = useZone();
  if (tasks.length === 0) return <p className={classes.advice}>Nothing was done there.</p>;
  return (
    <ol className={classes.timeline} aria-label="Timeline">
      {tasks.map((one) => {
        const mark = TASK_MARKS[one.state];
        return (
          <li key={`${one.started_at} ${one.task}`} className={classes.task} data-tone={mark.tone}>
            <Icon name={mark.icon} size={14} />
            <div>
              <strong>{taskInWords(one)}</strong>
              <span className="wb-only-read">, {mark.word.toLowerCase()}</span>
              {one.state === "cut_off" && <small> · cut off with its worker</small>}
              {one.detail && <p className={classes.what}>{one.detail}</p>}
              {one.snippet && <pre className={classes.snippet}>{one.snippet}</pre>}
            </div>
            <div>
              <time dateTime={one.started_at} title={absolute(one.started_at, zone)}>
                {clock(one.started_at, zone)}
              </time>
              <br />
              <small>
                <Duration since={one.started_at} until={one.finished_at} />
              </small>
            </div>
          </li>
        );
      })}
    </ol>
  );
};

const clock = (at: string, zone: string): string =>
  new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", timeZone: zone });

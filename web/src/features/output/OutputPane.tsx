import { ActionIcon, SegmentedControl, Tooltip } from "@mantine/core";
import { useState } from "react";
import type { DeviceRow, Execution } from "@/api/runs";
import { bytes } from "@/lib/bytes";
import { type StreamName, STREAMS } from "@/lib/output-stream";
import { paths } from "@/lib/paths";
import { whyOf, whyRow } from "@/lib/reasons";
import { AppLink } from "@/ui/AppLink";
import { Duration } from "@/ui/Duration";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import { hasFailed, usualExecution, usualStream } from "./choices";
import { ExecutionChoice } from "./ExecutionChoice";
import { OutputText } from "./OutputText";
import classes from "./output.module.css";
import { type Output, useOutput } from "./use-output";

interface OutputPaneProps {
  row: DeviceRow;
  /** Why this one is shown where nobody chose it: “First failure”. */
  label: string | null;
  /** How the components of the run are called, in their order. */
  components: readonly string[];
  /** What was chosen, by the address. */
  execution: string | null;
  stream: StreamName | null;
  onChoose: (choice: { execution?: string; stream?: StreamName }) => void;
  onClose: (() => void) | null;
}

const WORDS: Readonly<Record<StreamName, string>> = { stdout: "Output", stderr: "Errors" };
const SAID: Readonly<Record<StreamName, string>> = { stdout: "Standard output", stderr: "Standard error" };

/** What one device of a run did: its executions, and what the chosen one wrote, as it writes it. */
export const OutputPane = (props: OutputPaneProps) => {
  const { row, label, onClose } = props;
  const { id, hostname } = row.device;
  const why = whyRow(row);
  const execution = row.executions.find((one) => one.id === props.execution) ?? usualExecution(row.executions);
  return (
    <section className={`wb-panel ${classes.pane}`} aria-label={`Output of ${hostname}`}>
      <header className={classes.head}>
        <div className={classes.title}>
          {label && <span className={classes.label}>{label}:</span>}
          <AppLink to={paths.device(id)} className={classes.host}>
            {hostname}
          </AppLink>
          <StateBadge state={row.state} />
          {row.exit_code !== null && <span>exit {row.exit_code}</span>}
          {row.rerun_as && (
            <span className={classes.dim}>
              then <StateBadge state={row.rerun_as.state} plain />
            </span>
          )}
        </div>
        {onClose && <IconAction label="Close the output" icon="close" onClick={onClose} />}
      </header>
      {why && <p className={classes.why}>{why}</p>}
      <Around row={row} />
      <ExecutionChoice
        executions={row.executions}
        components={props.components}
        chosen={execution?.id ?? null}
        onChoose={(chosen) => props.onChoose({ execution: chosen })}
      />
      {execution ? (
        <Written key={execution.id} {...props} execution={execution} hostname={hostname} />
      ) : (
        <p className={classes.empty}>Nothing has run on it.</p>
      )}
    </section>
  );
};

/** When it waits, and how it came to be in the run. */
const Around = ({ row }: { row: DeviceRow }) => {
  const waits = row.state === "pending" || row.state === "waiting_online";
  if (!waits && row.found_by.length === 0 && row.excluded_by.length === 0) return null;
  return (
    <p className={classes.dim}>
      {waits && row.starts_at && (
        <>
          Starts <Instant at={row.starts_at} />.{" "}
        </>
      )}
      {waits && (
        <>
          Waits until <Instant at={row.expires_at} />.{" "}
        </>
      )}
      {row.found_by.length > 0 && <>Found by {row.found_by.join(", ")}. </>}
      {row.excluded_by.length > 0 && <>Left out by {row.excluded_by.join(", ")}.</>}
    </p>
  );
};

interface WrittenProps extends Omit<OutputPaneProps, "execution"> {
  execution: Execution;
  hostname: string;
}

const Written = ({ execution, hostname, stream, onChoose }: WrittenProps) => {
  const output = useOutput(execution.id);
  const usual = useUsualStream(execution, output);
  const shown = stream ?? usual;
  const isOver = execution.state === "finished" || output.state === "ended";
  const why = whyOf(execution);
  const choices = STREAMS.map((one) => ({ value: one, label: `${WORDS[one]} · ${bytes(output.sizes[one])}` }));
  const lost = output.lost[shown];
  return (
    <>
      {why && execution.outcome === "skipped" && <p className={classes.why}>{why}</p>}
      {lost > 0 && (
        <p className={classes.why}>
          Of {bytes(output.sizes[shown])} the beginning and the end are kept; {bytes(lost)} between them are not.
        </p>
      )}
      <OutputText
        key={shown}
        label={`${SAID[shown]} of ${hostname}`}
        lines={output.lines[shown]}
        isLive={!isOver}
        empty={
          output.state === "reconnecting"
            ? "Reconnecting…"
            : output.state === "connecting"
              ? "Reading…"
              : isOver
                ? `It wrote nothing to ${SAID[shown].toLowerCase()}.`
                : "Nothing has come yet. What it writes is shown here as it comes."
        }
        start={
          <SegmentedControl
            size="xs"
            aria-label="Stream"
            value={shown}
            data={choices}
            onChange={(chosen) => onChoose({ stream: STREAMS.find((one) => one === chosen) })}
          />
        }
        end={
          <>
            {output.state === "reconnecting" && <span role="status">Reconnecting…</span>}
            {!isOver && output.state === "following" && execution.started_at && (
              <span className={classes.dim}>
                <Duration since={execution.started_at} until={null} />
              </span>
            )}
            <Tooltip label="Download both streams whole">
              <ActionIcon
                component="a"
                href={`/api/executions/${execution.id}/output/download?stream=both`}
                download
                aria-label="Download the output"
              >
                <Icon name="download" />
              </ActionIcon>
            </Tooltip>
          </>
        }
      />
    </>
  );
};

/** The stream to show while nobody has chosen one: it does not change under who reads it. */
const useUsualStream = (execution: Execution, output: Output): StreamName => {
  const [before, setBefore] = useState<StreamName | null>(null);
  const sizes = {
    stdout: Math.max(output.sizes.stdout, execution.stdout_bytes),
    stderr: Math.max(output.sizes.stderr, execution.stderr_bytes),
  };
  const now = usualStream(sizes, hasFailed(execution), before);
  if (before !== now && sizes[now] > 0) setBefore(now);
  return now;
};

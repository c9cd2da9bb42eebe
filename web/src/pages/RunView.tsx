import { Button } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { can } from "@/api/can";
import type { JobReply } from "@/api/jobs";
import { type DeviceRow, exportUrl, type Occurrence, usePromote } from "@/api/runs";
import { Devices } from "@/features/run/Devices";
import { OutputPane } from "@/features/output/OutputPane";
import { HeldBar } from "@/features/run/HeldBar";
import { OutputGroups } from "@/features/run/OutputGroups";
import { RecapTable } from "@/features/run/RecapTable";
import { RetargetMenu } from "@/features/run/RetargetMenu";
import { NO_FILTER, type RunState } from "@/features/run/run-filters";
import { RunFilterBar } from "@/features/run/RunFilterBar";
import { RunHead } from "@/features/run/RunHead";
import classes from "@/features/run/run.module.css";
import type { Selected } from "@/features/run/RunTable";
import { type StopAsked, StopDialogs } from "@/features/run/StopDialogs";
import { StopProof } from "@/features/run/StopProof";
import { useShownRow } from "@/features/run/use-run";
import { Waves } from "@/features/run/Waves";
import { useKeys } from "@/lib/keys";
import { paths } from "@/lib/paths";
import { JobFrame } from "@/pages/JobFrame";
import { AppLink } from "@/ui/AppLink";
import { Icon } from "@/ui/icons";

interface RunViewProps {
  job: JobReply;
  one: Occurrence;
  state: RunState;
  setState: (patch: Partial<RunState>) => void;
}

/** One occurrence of a job: its head, its devices, and what the chosen one wrote; what failed comes first. */
export const RunView = ({ job, one, state, setState }: RunViewProps) => {
  const [asked, setAsked] = useState<StopAsked | null>(null);
  const [selected, setSelected] = useState<Selected>(new Map());
  const navigate = useNavigate();
  const promote = usePromote();
  const shown = useShownRow(one, state.target);
  const choose = (row: DeviceRow, execution?: string): void =>
    setState({ target: row.target_id, execution: execution ?? "", stream: null });
  const close = (): void => setState({ target: null, execution: "", stream: null });
  useKeys(state.target === null ? [] : [{ keys: "Escape", does: "Close the output", group: "Devices", run: close }]);

  const which = { jobId: job.id, jobName: job.name, occurrenceId: one.id };
  const total = Object.values(one.counts).reduce((sum, number) => sum + number, 0);
  const stop = can(job, "cancel");
  const isRunning = one.state === "open";
  // The same address with another filter; pressed again, without it.
  const linkOf = (name: "state" | "verdict") => (word: string) =>
    paths.jobRun(job.id, state.occurrence || undefined, {
      [name]: state[name].length === 1 && String(state[name][0]) === word ? undefined : word,
      target: state.target,
    });
  const playbooks = one.runs.find((run) => run.kind === "playbook");
  const components = one.runs.find((run) => run.id === shown.row?.run_id)?.components.map((part) => part.name) ?? [];
  return (
    <JobFrame
      job={job}
      tab="run"
      actions={
        <>
          {isRunning && (
            <span title={stop.reason ?? undefined}>
              <Button
                variant="default"
                c={stop.allowed ? "var(--wb-bad)" : undefined}
                disabled={!stop.allowed}
                leftSection={<Icon name="stop" size={14} />}
                onClick={() => setAsked({ kind: "run" })}
              >
                Stop…
              </Button>
            </span>
          )}
          <RetargetMenu
            job={job}
            occurrenceId={one.id}
            total={total}
            selected={selected}
            may={can(job, "rerun")}
            onStarted={() => void navigate({ to: paths.jobRun(job.id) })}
          />
        </>
      }
    >
      <RunHead
        one={one}
        chosen={state.state}
        linkOf={linkOf("state")}
        verdictLinkOf={linkOf("verdict")}
        originLink={one.origin_occurrence_id && paths.jobRun(job.id, one.origin_occurrence_id)}
      >
        {one.state === "held" && <HeldBar job={job} one={one} release={can(job, "rerun")} skip={stop} />}
        {one.cancel_requested_at !== null || one.counts["cancelling"] || one.counts["cancelled"] ? (
          <StopProof jobId={job.id} occurrenceId={one.id} />
        ) : null}
        <Waves
          one={one}
          promote={can(job, "rerun")}
          brake={stop}
          busy={promote.isPending}
          onPromote={(wave) => promote.mutate({ ...which, wave })}
          onBrake={() => setAsked({ kind: "brake" })}
        />
        {state.occurrence && job.last_occurrence && job.last_occurrence.id !== one.id && (
          <AppLink to={paths.jobRun(job.id)} style={{ fontSize: "0.75rem", textDecoration: "underline" }}>
            This is not the latest run. Show that.
          </AppLink>
        )}
      </RunHead>
      {total > 0 && (
        <>
          <RunFilterBar
            state={state}
            counts={one.counts}
            hasRecap={playbooks !== undefined}
            exportOf={(format) => exportUrl(job.id, one.id, format)}
            onChange={setState}
          />
          <div className={classes.body} data-panes={shown.row && state.view === "devices" ? 2 : 1}>
            <div className={classes.side} data-part="list">
              {state.view === "recap" && playbooks ? (
                <RecapTable
                  runId={playbooks.id}
                  isOver={one.state === "closed"}
                  onChoose={(target) => setState({ ...NO_FILTER, view: "devices", target })}
                />
              ) : state.view === "outputs" ? (
                <OutputGroups
                  jobId={job.id}
                  occurrenceId={one.id}
                  onChoose={(group) => setState({ ...NO_FILTER, output: group.output, view: "devices", target: null })}
                />
              ) : (
                <Devices
                  job={job}
                  one={one}
                  state={state}
                  selected={selected}
                  onSelect={setSelected}
                  onOpen={choose}
                  onFound={(target) => setState({ target, execution: "", stream: null })}
                  onClear={() => setState(NO_FILTER)}
                  onStop={(row) => setAsked({ kind: "device", row })}
                />
              )}
            </div>
            {shown.row && state.view === "devices" && (
              <div className={classes.side} data-part="output">
                <OutputPane
                  key={shown.row.target_id}
                  row={shown.row}
                  label={shown.isFirstFailure ? "First failure" : null}
                  components={components}
                  execution={state.execution || null}
                  stream={state.stream}
                  onChoose={(choice) =>
                    setState({
                      target: shown.row?.target_id ?? null,
                      ...(choice.execution ? { execution: choice.execution, stream: null } : {}),
                      ...(choice.stream ? { stream: choice.stream } : {}),
                    })
                  }
                  onClose={state.target === null ? null : close}
                />
              </div>
            )}
          </div>
        </>
      )}
      <StopDialogs asked={asked} job={job} one={one} onClose={() => setAsked(null)} />
    </JobFrame>
  );
};

import { Checkbox } from "@mantine/core";
import { useState } from "react";
import type { DeviceRow, Occurrence } from "@/api/runs";
import { useBrake, useStopOccurrence, useStopTarget } from "@/api/runs";
import { ConfirmDialog } from "@/ui/ConfirmDialog";

export type StopAsked = { kind: "run" } | { kind: "brake" } | { kind: "device"; row: DeviceRow };

interface StopDialogsProps {
  asked: StopAsked | null;
  job: { id: number; name: string };
  one: Occurrence;
  onClose: () => void;
}

const sum = (counts: Readonly<Record<string, number>>, states: readonly string[]): number =>
  states.reduce((total, state) => total + (counts[state] ?? 0), 0);

/** What asks before a run, one device of it, or what is still to begin is stopped. */
export const StopDialogs = ({ asked, job, one, onClose }: StopDialogsProps) => {
  if (!asked) return null;
  const which = { jobId: job.id, jobName: job.name, occurrenceId: one.id };
  if (asked.kind === "run") return <StopRun which={which} one={one} onClose={onClose} />;
  if (asked.kind === "brake") return <Brake which={which} one={one} onClose={onClose} />;
  return <StopDevice which={which} row={asked.row} onClose={onClose} />;
};

interface Which {
  jobId: number;
  jobName: string;
  occurrenceId: string;
}

const RUNS = ["running", "dispatched", "connecting"];
const WAITS = ["pending", "waiting_online"];

const StopRun = ({ which, one, onClose }: { which: Which; one: Occurrence; onClose: () => void }) => {
  const stop = useStopOccurrence();
  const running = sum(one.counts, RUNS);
  const waiting = sum(one.counts, WAITS);
  return (
    <ConfirmDialog
      opened
      danger
      title="Stop the run"
      confirm="Stop the run"
      busy={stop.isPending}
      problem={stop.error}
      onClose={onClose}
      onConfirm={() => stop.mutate(which, { onSuccess: onClose })}
    >
      This run of “{which.jobName}” is stopped: {running.toLocaleString("en")} running{" "}
      {running === 1 ? "device is" : "devices are"} asked to stop and to say what became of it, {waiting.toLocaleString("en")}{" "}
      waiting {waiting === 1 ? "one is" : "ones are"} withdrawn. The schedule goes on.
    </ConfirmDialog>
  );
};

const StopDevice = ({ which, row, onClose }: { which: Which; row: DeviceRow; onClose: () => void }) => {
  const stop = useStopTarget();
  const { hostname } = row.device;
  return (
    <ConfirmDialog
      opened
      danger
      title={`Stop ${hostname}`}
      confirm={`Stop ${hostname}`}
      busy={stop.isPending}
      problem={stop.error}
      onClose={onClose}
      onConfirm={() => stop.mutate({ ...which, targetId: row.target_id, hostname }, { onSuccess: onClose })}
    >
      “{which.jobName}” is stopped on {hostname} alone; the other devices go on.
    </ConfirmDialog>
  );
};

const Brake = ({ which, one, onClose }: { which: Which; one: Occurrence; onClose: () => void }) => {
  const [isRunningToo, setIsRunningToo] = useState(false);
  const brake = useBrake();
  const waiting = sum(one.counts, WAITS);
  const running = sum(one.counts, RUNS);
  return (
    <ConfirmDialog
      opened
      danger
      title="Put the brake on"
      confirm="Put the brake on"
      reason={{ label: "Why" }}
      busy={brake.isPending}
      problem={brake.error}
      onClose={onClose}
      onConfirm={(reason) =>
        brake.mutate({ ...which, reason: reason || undefined, cancel_running: isRunningToo }, { onSuccess: onClose })
      }
    >
      <p style={{ marginTop: 0 }}>
        “{which.jobName}” starts on nothing more: {waiting.toLocaleString("en")}{" "}
        {waiting === 1 ? "device that has" : "devices that have"} not begun {waiting === 1 ? "is" : "are"} left out. This is not
        taken back; run it again for the rest.
      </p>
      {running > 0 && (
        <Checkbox
          size="sm"
          label={`Stop also the ${running.toLocaleString("en")} that ${running === 1 ? "runs" : "run"}`}
          checked={isRunningToo}
          onChange={(event) => setIsRunningToo(event.currentTarget.checked)}
        />
      )}
    </ConfirmDialog>
  );
};

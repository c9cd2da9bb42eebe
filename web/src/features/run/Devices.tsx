import { Button } from "@mantine/core";
import { useCallback, useState } from "react";
import { can } from "@/api/can";
import type { JobReply } from "@/api/jobs";
import type { DeviceRow, Occurrence } from "@/api/runs";
import { EmptyState } from "@/ui/EmptyState";
import { isFiltered, type RunState, sourceOf } from "./run-filters";
import { RunTable, type Selected } from "./RunTable";
import { type Range, useRows } from "./use-rows";
import { useGoTo, useMoved } from "./use-run";

interface DevicesProps {
  job: JobReply;
  one: Occurrence;
  state: RunState;
  selected: Selected;
  onSelect: (selected: Selected) => void;
  onOpen: (row: DeviceRow, execution?: string) => void;
  onFound: (targetId: number) => void;
  onClear: () => void;
  onStop: (row: DeviceRow) => void;
}

/** The devices of an occurrence as its address narrows them down. */
export const Devices = ({ job, one, state, onFound, onClear, ...rest }: DevicesProps) => {
  const [range, setRange] = useState<Range>({ first: 0, last: 30 });
  const [isHeld, setIsHeld] = useState(false);
  const source = sourceOf(job.id, one.id, state);
  const rows = useRows(source, range);
  const moved = useMoved(source, one, rows, isHeld);
  const { goTo, nextFailed } = useGoTo(source, state.target, onFound);
  const ranged = useCallback((next: Range) => setRange(next), []);
  return (
    <RunTable
      {...rest}
      rows={rows}
      onRange={ranged}
      target={state.target}
      goTo={goTo}
      onNextFailed={(from, step) => nextFailed(from?.target_id ?? state.target, step)}
      mayStop={can(job, "cancel").reason}
      hasWaves={one.waves.length > 1}
      onHeld={setIsHeld}
      note={
        moved === 0 ? null : (
          <Button variant="subtle" size="compact-xs" onClick={rows.refetch}>
            {Math.abs(moved).toLocaleString("en")} {moved > 0 ? "more" : "fewer"} by now. Show them as they are.
          </Button>
        )
      }
      empty={
        <EmptyState
          icon="search"
          title="No device is like that."
          action={
            isFiltered(state) ? (
              <Button variant="default" onClick={onClear}>
                Clear filters
              </Button>
            ) : null
          }
        >
          Loosen a filter, or clear them all.
        </EmptyState>
      }
    />
  );
};

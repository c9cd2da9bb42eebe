import { Checkbox, Loader } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useRef, useState } from "react";
import type { DeviceRow } from "@/api/runs";
import { useKeys } from "@/lib/keys";
import { useIsPhone } from "@/lib/use-is-phone";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { RunRow } from "./RunRow";
import classes from "./run-table.module.css";
import type { Range, Rows } from "./use-rows";

export type Selected = ReadonlyMap<string, string>;

interface RunTableProps {
  rows: Rows;
  onRange: (range: Range) => void;
  /** Shown where there is no row. */
  empty: ReactNode;
  /** The row whose output is shown. */
  target: number | null;
  onOpen: (row: DeviceRow, execution?: string) => void;
  /** The place to go to; a new object goes there again. */
  goTo: { place: number } | null;
  /** Names of devices by their ids. */
  selected: Selected;
  onSelect: (selected: Selected) => void;
  onNextFailed: (from: DeviceRow | null, step: "next" | "previous") => void;
  /** Why no device can be stopped; null where one can. */
  mayStop: string | null;
  onStop: (row: DeviceRow) => void;
  hasWaves: boolean;
  /** Whether somebody is at the rows with pointer or keys: they are left where they are meanwhile. */
  onHeld: (isHeld: boolean) => void;
  /** Beside the number of rows: what became of the list since it was read. */
  note: ReactNode;
}

const HEIGHTS = { desk: 46, phone: 96 } as const;

/** The devices of a run by host name, any number of them: each has its place, and only those in sight are drawn, read and followed. */
export const RunTable = (props: RunTableProps) => {
  const { rows, target, onOpen, goTo, selected, onSelect } = props;
  const isPhone = useIsPhone();
  const scroller = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState(-1);
  const virtual = useVirtualizer({
    count: rows.total,
    getScrollElement: () => scroller.current,
    estimateSize: () => (isPhone ? HEIGHTS.phone : HEIGHTS.desk),
    overscan: 10,
  });
  const items = virtual.getVirtualItems();
  const first = items[0]?.index ?? 0;
  const last = items.at(-1)?.index ?? -1;
  const { onRange } = props;
  useEffect(() => onRange({ first, last }), [first, last, onRange]);
  useGoTo(goTo, (place) => {
    setAt(place);
    // Written at once, also while somebody scrolls; and again once the rows there have been measured.
    const jump = (): void => {
      const offset = virtual.getOffsetForIndex(place, "center")?.[0];
      if (scroller.current && offset !== undefined) scroller.current.scrollTop = offset;
    };
    jump();
    requestAnimationFrame(jump);
  });

  const here = rows.at(at) ?? null;
  const walk = (step: number): void => {
    const next = Math.max(0, Math.min(rows.total - 1, at + step));
    setAt(next);
    virtual.scrollToIndex(next);
    const row = rows.at(next);
    if (row && target !== null) onOpen(row); // who reads outputs reads on
  };
  const toggle = (row: DeviceRow): void => {
    const next = new Map(selected);
    if (!next.delete(row.device.id)) next.set(row.device.id, row.device.hostname);
    onSelect(next);
  };
  const group = "Devices";
  useKeys([
    { keys: "j", does: "Next device", group, run: () => walk(1) },
    { keys: "k", does: "Device before", group, run: () => walk(-1) },
    { keys: "n", does: "Next failed device", group, run: () => props.onNextFailed(here, "next") },
    { keys: "p", does: "Failed device before", group, run: () => props.onNextFailed(here, "previous") },
    { keys: "x", does: "Select the device", group, run: () => here && toggle(here) },
    ...["Enter", "o"].map((keys) => ({ keys, does: "Show its output", group, run: () => here && onOpen(here) })),
  ]);

  if (rows.isPending)
    return (
      <div className={`wb-panel ${classes.waiting}`} role="status">
        <Loader size="sm" />
        <span>Reading devices…</span>
      </div>
    );
  if (rows.error && rows.total === 0) return <ProblemAlert problem={rows.error} onRetry={rows.refetch} />;
  if (rows.total === 0) return <div className="wb-panel">{props.empty}</div>;
  return (
    <div
      className={`wb-panel ${classes.frame}`}
      onPointerEnter={() => props.onHeld(true)}
      onPointerLeave={() => props.onHeld(false)}
    >
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a part that scrolls must be reached by the keyboard */}
      <div ref={scroller} className={classes.scroller} tabIndex={0} role="region" aria-label="Devices of the run">
        <div role="table" aria-label="Devices" aria-rowcount={rows.total + 1} className={classes.table}>
          <Head hasWaves={props.hasWaves} />
          <div role="rowgroup" className={classes.body} style={{ height: virtual.getTotalSize() }}>
            {items.map((item) => {
              const row = rows.at(item.index);
              return (
                <div
                  key={item.key}
                  ref={virtual.measureElement}
                  data-index={item.index}
                  role="presentation"
                  className={classes.place}
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  {row ? (
                    <RunRow
                      row={row}
                      index={item.index}
                      isAt={item.index === at}
                      isOpen={row.target_id === target}
                      hasWaves={props.hasWaves}
                      mayStop={props.mayStop}
                      onStop={props.onStop}
                      onOpen={(execution) => {
                        setAt(item.index);
                        onOpen(row, execution);
                      }}
                      tick={
                        <Checkbox
                          size="xs"
                          checked={selected.has(row.device.id)}
                          onChange={() => toggle(row)}
                          aria-label={`Select ${row.device.hostname}`}
                        />
                      }
                    />
                  ) : (
                    <div role="row" aria-rowindex={item.index + 2} aria-busy="true" className={classes.blank}>
                      <span role="cell">…</span>
                    </div>
                  )}
                </div>
              );
            })}
          </div>
        </div>
      </div>
      <div className={classes.foot}>
        {rows.error ? (
          <ProblemAlert problem={rows.error} onRetry={rows.refetch} />
        ) : (
          <>
            <span>
              {rows.total.toLocaleString("en")} {rows.total === 1 ? "device" : "devices"}
            </span>
            {props.note}
          </>
        )}
      </div>
    </div>
  );
};

const Head = ({ hasWaves }: { hasWaves: boolean }) => (
  <div role="rowgroup" className={classes.head}>
    <div role="row" aria-rowindex={1} className={classes.row} data-waves={hasWaves}>
      <span role="columnheader">
        <span className="wb-only-read">Select</span>
      </span>
      <span role="columnheader">State</span>
      <span role="columnheader">Device</span>
      <span role="columnheader">Last line, and why</span>
      <span role="columnheader" className={classes.number}>
        Exit
      </span>
      <span role="columnheader" className={classes.number}>
        Duration
      </span>
      <span role="columnheader" className={classes.number}>
        Try
      </span>
      {hasWaves && (
        <span role="columnheader" className={classes.number}>
          Wave
        </span>
      )}
      <span role="columnheader">
        <span className="wb-only-read">Actions</span>
      </span>
    </div>
  </div>
);

/** Go to a place once for each time that it is asked for. */
const useGoTo = (asked: { place: number } | null, go: (place: number) => void): void => {
  const current = useRef(go);
  useEffect(() => {
    current.current = go;
  });
  useEffect(() => {
    if (asked) current.current(asked.place);
  }, [asked]);
};

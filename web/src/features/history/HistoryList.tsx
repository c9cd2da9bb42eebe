import { ActionIcon, Button, Checkbox, Loader, Menu } from "@mantine/core";
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useEffect, useMemo, useRef, useState } from "react";
import type { LedgerEntry } from "@/api/history";
import { exportUrl } from "@/api/runs";
import { useKeys } from "@/lib/keys";
import { kindInWords } from "@/lib/kinds";
import { paths } from "@/lib/paths";
import { occurrenceState } from "@/lib/states";
import { useZone } from "@/lib/zone";
import { AppLink } from "@/ui/AppLink";
import { CountsBar } from "@/ui/CountsBar";
import type { TableQuery } from "@/ui/DataTable";
import { Duration } from "@/ui/Duration";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { StateBadge } from "@/ui/StateBadge";
import { dayOf, withDays } from "./days";
import classes from "./history.module.css";

interface HistoryListProps {
  query: TableQuery<LedgerEntry>;
  empty: ReactNode;
  /** Ids of those that are to be compared. */
  chosen: readonly string[];
  /** They have steps and no devices of their own: nothing of them is compared or exported here. */
  isOfWorkflow: boolean;
  onChoose: (chosen: string[]) => void;
  onOpen: (one: LedgerEntry) => void;
}

const AHEAD = 30;

/** Occurrences of a job by days, newest first: what ran, and what did not and why. */
export const HistoryList = ({ query, empty, chosen, isOfWorkflow, onChoose, onOpen }: HistoryListProps) => {
  const zone = useZone();
  const scroller = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<string | null>(null);
  const rows = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  const items = useMemo(() => withDays(rows, (one) => dayOf(one.scheduled_for_at, zone)), [rows, zone]);
  const virtual = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: (place) => (items[place] && "day" in items[place] ? 34 : 48),
    getItemKey: (place) => {
      const one = items[place];
      return one === undefined ? place : "day" in one ? one.key : one.row.id;
    },
    overscan: 10,
  });
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1)?.index ?? -1;
  const { hasNextPage, isFetchingNextPage, fetchNextPage, error } = query;
  useEffect(() => {
    if (hasNextPage && !isFetchingNextPage && !error && last >= items.length - AHEAD) fetchNextPage();
  }, [last, items.length, hasNextPage, isFetchingNextPage, fetchNextPage, error]);

  const here = rows.find((one) => one.id === at);
  const walk = (step: number): void => {
    const next = rows[Math.max(0, Math.min(rows.length - 1, rows.findIndex((one) => one.id === at) + step))];
    if (!next) return;
    setAt(next.id);
    virtual.scrollToIndex(items.findIndex((one) => "row" in one && one.row.id === next.id));
  };
  const toggle = (id: string): void =>
    onChoose(chosen.includes(id) ? chosen.filter((one) => one !== id) : [...chosen, id].slice(-2));
  useKeys([
    { keys: "j", does: "Next run", group: "List", run: () => walk(1) },
    { keys: "k", does: "Run before", group: "List", run: () => walk(-1) },
    { keys: "x", does: "Choose for comparing", group: "List", run: () => here && !isOfWorkflow && toggle(here.id) },
    ...["Enter", "o"].map((keys) => ({ keys, does: "Open the run", group: "List", run: () => here && onOpen(here) })),
  ]);

  if (query.isPending)
    return (
      <div className={`wb-panel ${classes.waiting}`} role="status">
        <Loader size="sm" /> Reading the history…
      </div>
    );
  if (error && rows.length === 0) return <ProblemAlert problem={error} onRetry={query.refetch} />;
  if (rows.length === 0) return <div className="wb-panel">{empty}</div>;
  return (
    <div className={`wb-panel ${classes.frame}`}>
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- a part that scrolls must be reached by the keyboard */}
      <div ref={scroller} className={classes.scroller} tabIndex={0} role="region" aria-label="Historical runs">
        <div className={classes.list} role="list" style={{ height: virtual.getTotalSize() }}>
          {shown.map((item) => {
            const one = items[item.index];
            return (
              one && (
                <div
                  key={item.key}
                  ref={virtual.measureElement}
                  data-index={item.index}
                  role="listitem"
                  className={classes.place}
                  style={{ transform: `translateY(${item.start}px)` }}
                >
                  {"day" in one ? (
                    <h2 className={classes.day}>{one.day}</h2>
                  ) : (
                    <Row
                      one={one.row}
                      isAt={one.row.id === at}
                      isChosen={chosen.includes(one.row.id)}
                      isOfWorkflow={isOfWorkflow}
                      onToggle={() => toggle(one.row.id)}
                    />
                  )}
                </div>
              )
            );
          })}
        </div>
      </div>
      <div className={classes.foot}>
        {error ? (
          <ProblemAlert problem={error} onRetry={fetchNextPage} />
        ) : (
          `${rows.length.toLocaleString("en")}${hasNextPage ? " read, more as you scroll" : rows.length === 1 ? " run" : " runs"}`
        )}
      </div>
    </div>
  );
};

interface RowProps {
  one: LedgerEntry;
  isAt: boolean;
  isChosen: boolean;
  isOfWorkflow: boolean;
  onToggle: () => void;
}

const EXPORTS = [
  { format: "csv", label: "Device rows as CSV" },
  { format: "jsonl", label: "Device rows as JSON lines" },
] as const;

const whyNot = (hasRun: boolean, isOfWorkflow: boolean): string | undefined => {
  if (isOfWorkflow) return "A run of a workflow has steps, not devices: there is nothing to compare.";
  return hasRun ? undefined : "It had no devices: there is nothing to compare.";
};

const Row = ({ one, isAt, isChosen, isOfWorkflow, onToggle }: RowProps) => {
  const link = paths.jobRun(one.job_id, one.id);
  const hasRun = Object.keys(one.counts).length > 0;
  return (
    <div className={classes.row} data-at={isAt}>
      <Checkbox
        size="xs"
        checked={isChosen}
        disabled={!hasRun || isOfWorkflow}
        onChange={onToggle}
        title={whyNot(hasRun, isOfWorkflow)}
        aria-label={`Compare the run of ${one.scheduled_for_at}`}
      />
      <StateBadge state={occurrenceState(one)} />
      <span className={classes.when}>
        <Instant at={one.scheduled_for_at} show="absolute" />
        {one.range_end_at && (
          <span className={classes.dim}>
            to <Instant at={one.range_end_at} show="absolute" />
          </span>
        )}
      </span>
      <span className={classes.what}>
        <AppLink to={link} className={classes.sentence} title={one.sentence}>
          {one.sentence}
        </AppLink>
        {hasRun && <CountsBar size="small" counts={one.counts} />}
      </span>
      <span className={classes.kind}>
        <span>{kindInWords(one.kind, null, one.origin_occurrence_id !== null)}</span>
        <span className={classes.dim}>revision {one.job_revision}</span>
      </span>
      <span className={classes.number}>
        {one.opened_at ? <Duration since={one.opened_at} until={one.closed_at} /> : <span className={classes.dim}>–</span>}
      </span>
      <Menu>
        <Menu.Target>
          <ActionIcon aria-label={`More for the run of ${one.scheduled_for_at}`}>
            <Icon name="more" />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item component={AppLink} to={link} leftSection={<Icon name="run" size={14} />}>
            Open the run
          </Menu.Item>
          {!isOfWorkflow &&
            EXPORTS.map(({ format, label }) => (
              <Menu.Item
                key={format}
                component="a"
                href={exportUrl(one.job_id, one.id, format)}
                download
                leftSection={<Icon name="download" size={14} />}
              >
                {label}
              </Menu.Item>
            ))}
        </Menu.Dropdown>
      </Menu>
    </div>
  );
};

/** What is chosen for comparing, and the way there. */
export const CompareBar = ({
  chosen,
  onCompare,
  onClear,
}: {
  chosen: readonly string[];
  onCompare: () => void;
  onClear: () => void;
}) =>
  chosen.length === 0 ? null : (
    <div className={`wb-panel ${classes.bar}`} role="toolbar" aria-label="Comparing">
      <strong>{chosen.length === 1 ? "Choose a second run to compare with." : "Two runs chosen."}</strong>
      <Button disabled={chosen.length !== 2} leftSection={<Icon name="compare" size={14} />} onClick={onCompare}>
        Compare them
      </Button>
      <Button variant="subtle" color="gray" onClick={onClear}>
        Choose none
      </Button>
    </div>
  );

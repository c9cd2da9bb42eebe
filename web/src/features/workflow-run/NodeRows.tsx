import { Button } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { type DeviceRow, isOver, TARGET_STATES, type TargetState } from "@/api/runs";
import { nodeRowsQuery, type RowsAsked } from "@/api/workflow-runs";
import type { RunNode } from "@/api/workflow-types";
import { whyRow } from "@/lib/reasons";
import { stateMark } from "@/lib/states";
import { DataTable } from "@/ui/DataTable";
import { Duration } from "@/ui/Duration";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar, FilterSelect } from "@/ui/FilterBar";
import { StateBadge } from "@/ui/StateBadge";
import type { Column } from "@/ui/table-columns";
import classes from "./workflow-run.module.css";

interface NodeRowsProps {
  runId: number;
  node: RunNode;
  asked: RowsAsked;
  onAsk: (asked: Partial<RowsAsked>) => void;
  onOpen: (row: DeviceRow) => void;
  /** Somebody is at the rows: they are left where they are meanwhile. */
  onHeld: (isHeld: boolean) => void;
  /** They have changed since they were read; null: they have not. */
  onShowNew: (() => void) | null;
}

const columns = (onOpen: (row: DeviceRow) => void): Column<DeviceRow>[] => [
  { id: "state", header: "State", width: 112, cell: (row) => <StateBadge state={row.state} /> },
  {
    id: "device",
    header: "Device",
    width: 118,
    grow: true,
    fixed: true,
    phone: "title",
    cell: (row) => (
      <button type="button" className={classes.open} onClick={() => onOpen(row)} title={row.device.hostname}>
        {row.device.hostname}
      </button>
    ),
  },
  { id: "what", header: "Last line", width: 112, grow: true, phone: "bare", cell: (row) => <What row={row} /> },
  {
    id: "duration",
    header: "Took",
    width: 74,
    align: "right",
    cell: (row) =>
      row.started_at ? <Duration since={row.started_at} until={isOver(row.state) ? row.finished_at : null} /> : "–",
  },
];

const What = ({ row }: { row: DeviceRow }) => {
  const why = whyRow(row);
  return (
    <span className={classes.what}>
      {row.last_line && <code title={row.last_line}>{row.last_line}</code>}
      {why && <span title={why}>{why}</span>}
      {!row.last_line && !why && <span className={classes.dim}>–</span>}
    </span>
  );
};

/** The devices that a node ran on, by host name. */
export const NodeRows = ({ runId, node, asked, onAsk, onOpen, onHeld, onShowNew }: NodeRowsProps) => {
  const query = useInfiniteQuery({ ...nodeRowsQuery(runId, node.node_id, asked), placeholderData: keepPreviousData });
  const { counts } = node;
  const isFiltered = asked.q !== "" || asked.state.length > 0;
  const clear = (): void => onAsk({ q: "", state: [] });
  const options = TARGET_STATES.filter((one) => (counts[one] ?? 0) > 0 || asked.state.includes(one)).map((value) => ({
    value,
    label: `${stateMark(value).word} · ${(counts[value] ?? 0).toLocaleString("en")}`,
  }));
  const chosen: TargetState | null = asked.state[0] ?? null;
  return (
    <div className={classes.fill} onPointerEnter={() => onHeld(true)} onPointerLeave={() => onHeld(false)}>
      <FilterBar
        q={asked.q}
        onSearch={(q) => onAsk({ q })}
        placeholder="Find a device"
        onClear={isFiltered ? clear : undefined}
        end={
          onShowNew && (
            <Button variant="subtle" size="compact-xs" onClick={onShowNew}>
              They changed. Show them as they are.
            </Button>
          )
        }
      >
        <FilterSelect
          label="Any state"
          value={chosen}
          options={options}
          onChange={(state) => onAsk({ state: state ? [state] : [] })}
        />
      </FilterBar>
      <DataTable
        label="Devices of the node"
        query={query}
        columns={columns(onOpen)}
        rowId={(row) => String(row.target_id)}
        rowName={(row) => row.device.hostname}
        onOpen={onOpen}
        empty={
          isFiltered ? (
            <EmptyState
              icon="search"
              title="No device is like that."
              action={
                <Button variant="default" onClick={clear}>
                  Clear filters
                </Button>
              }
            />
          ) : (
            <EmptyState icon="device" title={node.started_at ? "It has no device." : "It has not begun."}>
              {node.started_at ? null : "Its devices are shown here once it has."}
            </EmptyState>
          )
        }
      />
    </div>
  );
};

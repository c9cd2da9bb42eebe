import { SegmentedControl } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { setQuery } from "@/api/workflow-runs";
import type { SetDevice } from "@/api/workflow-types";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { StateBadge } from "@/ui/StateBadge";
import type { Column } from "@/ui/table-columns";
import classes from "./workflow-run.module.css";

const COLUMNS: readonly Column<SetDevice>[] = [
  {
    id: "hostname",
    header: "Device",
    width: 160,
    grow: true,
    fixed: true,
    phone: "title",
    cell: (one) => (
      <AppLink to={paths.device(one.id)} className={classes.link}>
        {one.hostname}
      </AppLink>
    ),
  },
  { id: "site", header: "Site", width: 110, cell: (one) => one.site_name ?? "–" },
  { id: "online", header: "Now", width: 90, cell: (one) => <StateBadge state={one.is_online ? "online" : "offline"} plain /> },
];

interface NodeSetsProps {
  runId: number;
  nodeId: string;
  /** How many devices are in each, by port. */
  sets: Readonly<Record<string, number>>;
  port: string;
  onPort: (port: string) => void;
}

/** The sets of devices that a node gave, one at a time. */
export const NodeSets = ({ runId, nodeId, sets, port, onPort }: NodeSetsProps) => {
  const ports = Object.keys(sets);
  const shown = ports.includes(port) ? port : (ports[0] ?? "");
  const query = useInfiniteQuery(setQuery(runId, nodeId, shown));
  return (
    <div className={classes.fill}>
      {ports.length > 1 && (
        <SegmentedControl
          className={classes.ports}
          size="xs"
          aria-label="Which set"
          value={shown}
          onChange={onPort}
          data={ports.map((one) => ({ value: one, label: `${one} · ${(sets[one] ?? 0).toLocaleString("en")}` }))}
        />
      )}
      <DataTable
        key={shown}
        label="Devices of the set"
        query={query}
        columns={COLUMNS}
        rowId={(one) => one.id}
        rowName={(one) => one.hostname}
        empty={<EmptyState icon="device" title="No device is in it." />}
      />
    </div>
  );
};

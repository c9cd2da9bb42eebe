import { Badge } from "@mantine/core";
import type { Device } from "@/api/devices";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import type { Column } from "@/ui/table-columns";
import { bytes } from "./amounts";
import classes from "./devices.module.css";

/** Whether it is there now; and whether it may be, where that is not as usual. */
export const DeviceState = ({ device }: { device: Pick<Device, "online" | "status"> }) => (
  <span className={classes.state}>
    <StateBadge state={device.online ? "online" : "offline"} />
    {device.status !== "active" && <StateBadge state={device.status} />}
  </span>
);

export const Tags = ({ tags }: { tags: readonly string[] }) =>
  tags.length === 0 ? (
    "–"
  ) : (
    <span className={classes.tags}>
      {tags.map((tag) => (
        <Badge key={tag} size="xs" variant="default" tt="none">
          {tag}
        </Badge>
      ))}
    </span>
  );

const plain = (
  id: string,
  header: string,
  width: number,
  cell: (device: Device) => string | number | null,
  more: Partial<Column<Device>> = {},
): Column<Device> => ({ id, header, width, extra: true, phone: "hidden", ...more, cell: (device) => cell(device) ?? "–" });

/** The columns of the list of devices, by the fields that saved views name. */
export const DEVICE_COLUMNS: readonly Column<Device>[] = [
  {
    id: "hostname",
    header: "Device",
    width: 210,
    grow: true,
    fixed: true,
    phone: "title",
    sort: { ascending: "hostname", descending: "-hostname" },
    cell: (device) => (
      <span className={classes.name}>
        <AppLink to={paths.device(device.id)} className={classes.link}>
          {device.hostname}
        </AppLink>
        {device.description && <Clamp text={device.description} />}
      </span>
    ),
  },
  { id: "online", header: "State", width: 130, phone: "bare", cell: (device) => <DeviceState device={device} /> },
  {
    id: "site_name",
    header: "Site",
    width: 130,
    cell: (device) =>
      device.site_id === null ? "no site" : <AppLink to={paths.site(device.site_id)}>{device.site_name}</AppLink>,
  },
  {
    id: "os_name",
    header: "System",
    width: 180,
    cell: (device) => <Clamp text={`${device.os_name} ${device.os_version}`.trim()} />,
  },
  plain("internal_addresses", "Addresses", 150, (device) => device.internal_addresses?.slice(0, 2).join(", ") ?? null, {
    extra: false,
    phone: "line",
  }),
  { id: "tags", header: "Tags", width: 160, grow: true, cell: (device) => <Tags tags={device.tags} /> },
  {
    id: "last_seen_at",
    header: "Last seen",
    width: 110,
    sort: { ascending: "last_seen", descending: "-last_seen" },
    cell: (device) => <Instant at={device.last_seen_at} show="relative" none="never" />,
  },
  plain("agent_version", "Agent", 84, (device) => device.agent_version, { extra: false }),
  plain("arch", "Architecture", 110, (device) => device.arch),
  plain("device_type", "Type", 90, (device) => device.device_type),
  plain("status", "Status", 90, (device) => device.status),
  plain("domain", "Domain", 130, (device) => device.domain),
  plain("last_user", "Last user", 110, (device) => device.last_user),
  plain("external_address", "Seen from", 130, (device) => device.external_address),
  plain("cpu_count", "CPUs", 70, (device) => device.cpu_count, { align: "right" }),
  plain("ram_bytes", "Memory", 90, (device) => bytes(device.ram_bytes), { align: "right" }),
  plain("disk_free_bytes", "Free disk", 90, (device) => bytes(device.disk_free_bytes), { align: "right" }),
  plain("timezone", "Time zone", 140, (device) => device.timezone),
  plain("agent_branch", "Branch", 90, (device) => device.agent_branch),
  {
    id: "inventory_at",
    header: "Inventory",
    width: 110,
    extra: true,
    phone: "hidden",
    cell: (device) => <Instant at={device.inventory_at} show="relative" none="never" />,
  },
  {
    id: "created_at",
    header: "Enrolled",
    width: 110,
    extra: true,
    phone: "hidden",
    cell: (device) => <Instant at={device.created_at} show="relative" />,
  },
];

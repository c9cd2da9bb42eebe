import type { VariableValue } from "@/api/variables";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Icon, type IconName } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import type { Column } from "@/ui/table-columns";
import classes from "./variables.module.css";

const ICONS: Readonly<Record<VariableValue["scope"], IconName>> = { everything: "variable", site: "site", device: "device" };

const Place = ({ one }: { one: VariableValue }) => (
  <span className={classes.place}>
    <Icon name={ICONS[one.scope]} size={14} />
    {one.scope === "everything" && "Everything"}
    {one.scope === "site" && <AppLink to={paths.site(one.site_id ?? 0)}>{one.site_name}</AppLink>}
    {one.scope === "device" && <AppLink to={paths.device(one.device_id ?? "")}>{one.hostname ?? one.device_id}</AppLink>}
  </span>
);

const Value = ({ one }: { one: VariableValue }) =>
  one.is_secret ? (
    <span className={classes.place}>
      <Icon name="token" size={14} />
      <em>secret, never shown</em>
    </span>
  ) : (
    <code className={classes.value} title={String(one.value)}>
      {String(one.value)}
    </code>
  );

export const VARIABLE_COLUMNS: readonly Column<VariableValue>[] = [
  {
    id: "name",
    header: "Variable",
    width: 260,
    grow: true,
    phone: "title",
    cell: (one) => (
      <span className={classes.name}>
        <code>{one.name}</code>
        {one.description && <span className={classes.about}>{one.description}</span>}
      </span>
    ),
  },
  { id: "scope", header: "For", width: 200, cell: (one) => <Place one={one} /> },
  { id: "value", header: "Value", width: 260, grow: true, cell: (one) => <Value one={one} /> },
  { id: "set_at", header: "Set", width: 110, cell: (one) => <Instant at={one.set_at} show="relative" /> },
  { id: "set_by", header: "By", width: 110, cell: (one) => one.set_by ?? "–" },
];

import type { Operator } from "@/api/operators";
import type { Site } from "@/api/sites";
import { permissionWords } from "@/lib/permissions";
import { Clamp } from "@/ui/Clamp";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import type { Column } from "@/ui/table-columns";
import classes from "./operators.module.css";
import { ROLES } from "./roles";

const sitesInWords = (one: Operator, sites: readonly Site[]): string => {
  if (one.role === "admin") return "every site";
  if (one.site_ids.length === 0) return "none: it sees nothing";
  return one.site_ids.map((id) => sites.find((site) => site.id === id)?.name ?? `site ${id}`).join(", ");
};

export const operatorColumns = (sites: readonly Site[], me: number | undefined): readonly Column<Operator>[] => [
  {
    id: "username",
    header: "Operator",
    width: 220,
    grow: true,
    phone: "title",
    cell: (one) => (
      <span className={classes.who}>
        <strong>
          {one.username}
          {one.id === me && " (you)"}
        </strong>
        {one.display_name && <span className={classes.dim}>{one.display_name}</span>}
      </span>
    ),
  },
  { id: "role", header: "Role", width: 110, cell: (one) => ROLES[one.role].label },
  { id: "site_ids", header: "Sites", width: 180, grow: true, cell: (one) => <Clamp text={sitesInWords(one, sites)} /> },
  {
    id: "denied_permissions",
    header: "May not",
    width: 180,
    grow: true,
    cell: (one) => <Clamp text={one.denied_permissions.map((each) => permissionWords(each).label).join(", ") || null} />,
  },
  {
    id: "enabled",
    header: "State",
    width: 170,
    cell: (one) => (
      <span className={classes.who}>
        <StateBadge state={one.enabled ? "active" : "disabled"} plain />
        {one.must_change_password && one.enabled && <span className={classes.dim}>must choose a password</span>}
      </span>
    ),
  },
  {
    id: "last_login_at",
    header: "Last sign-in",
    width: 120,
    cell: (one) => <Instant at={one.last_login_at} show="relative" none="never" />,
  },
];

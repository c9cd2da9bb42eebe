import type { Operator } from "@/api/operators";
import type { ApiToken } from "@/api/tokens";
import { permissionWords } from "@/lib/permissions";
import { useNow } from "@/lib/use-now";
import { Clamp } from "@/ui/Clamp";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import type { Column } from "@/ui/table-columns";
import { tokenState } from "./expiry";
import classes from "./tokens.module.css";

const State = ({ token }: { token: ApiToken }) => <StateBadge state={tokenState(token, useNow())} plain />;

/** `owners`: whose tokens these are, where everybody's are shown. */
export const tokenColumns = (owners: readonly Operator[] | null): readonly Column<ApiToken>[] => [
  {
    id: "name",
    header: "Token",
    width: 200,
    grow: true,
    phone: "title",
    cell: (one) => (
      <span className={classes.name}>
        <strong>{one.name}</strong>
        <code className={classes.dim}>{one.hint}…</code>
      </span>
    ),
  },
  ...(owners
    ? [
        {
          id: "operator_id",
          header: "Of",
          width: 130,
          cell: (one: ApiToken) => owners.find((each) => each.id === one.operator_id)?.username ?? `operator ${one.operator_id}`,
        },
      ]
    : []),
  {
    id: "scopes",
    header: "May",
    width: 240,
    grow: true,
    cell: (one) => <Clamp text={one.scopes.map((each) => permissionWords(each).label).join(", ")} />,
  },
  { id: "state", header: "State", width: 100, cell: (one) => <State token={one} /> },
  { id: "expires_at", header: "Ends", width: 170, cell: (one) => <Instant at={one.expires_at} show="stacked" none="never" /> },
  {
    id: "last_used_at",
    header: "Last used",
    width: 110,
    cell: (one) => <Instant at={one.last_used_at} show="relative" none="never" />,
  },
  { id: "created_at", header: "Made", width: 100, cell: (one) => <Instant at={one.created_at} show="relative" /> },
];

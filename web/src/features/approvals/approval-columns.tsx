import type { Approval } from "@/api/approvals";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { Instant } from "@/ui/Instant";
import type { Column } from "@/ui/table-columns";
import classes from "./approvals.module.css";
import { oddness } from "./duplicates";
import { BroughtBy, Fingerprint, Odd, systemOf } from "./parts";

/** The columns of the list of requests; `all` are those that are read, for telling which look alike. */
export const approvalColumns = (all: readonly Approval[], isWaiting: boolean): readonly Column<Approval>[] => {
  const hasBrought = all.some((one) => one.onboarding);
  const columns = columnsOf(all, isWaiting, hasBrought);
  return hasBrought ? columns.map((one) => ({ ...one, width: NARROW[one.id] ?? one.width })) : columns;
};

/** Where the column of jobs takes its room. */
const NARROW: Readonly<Record<string, number>> = {
  hostname: 150,
  key_fingerprint: 235,
  remote_addr: 95,
  os_name: 120,
  site_name: 88,
};

const columnsOf = (all: readonly Approval[], isWaiting: boolean, hasBrought: boolean): readonly Column<Approval>[] => [
  {
    id: "hostname",
    header: "Machine",
    width: 180,
    grow: true,
    fixed: true,
    phone: "title",
    cell: (one) => (
      <span className={classes.host}>
        {one.device_id ? (
          <AppLink to={paths.device(one.device_id)}>
            <strong>{one.hostname}</strong>
          </AppLink>
        ) : (
          <strong>{one.hostname}</strong>
        )}
        <Odd sentence={oddness(one, all)} />
      </span>
    ),
  },
  { id: "key_fingerprint", header: "Fingerprint", width: 325, cell: (one) => <Fingerprint approval={one} /> },
  { id: "remote_addr", header: "Asks from", width: 110, cell: (one) => one.remote_addr ?? "–" },
  { id: "os_name", header: "System", width: 145, cell: (one) => <Clamp text={systemOf(one)} /> },
  {
    id: "site_name",
    header: "Site",
    width: 105,
    cell: (one) => <AppLink to={paths.site(one.site_id)}>{one.site_name}</AppLink>,
  },
  ...(hasBrought ? [brought] : []),
  {
    id: "created_at",
    header: "Asked",
    width: 105,
    cell: (one) => (
      <span className={classes.asked}>
        <Instant at={one.created_at} show="relative" />
        {isWaiting && (
          <small>
            ends <Instant at={one.expires_at} show="relative" />
          </small>
        )}
      </span>
    ),
  },
  ...(isWaiting ? [] : decided),
];

const brought: Column<Approval> = {
  id: "onboarding",
  header: "Brought by",
  width: 145,
  cell: (one) => (one.onboarding ? <BroughtBy approval={one} /> : "by hand"),
};

const decided: readonly Column<Approval>[] = [
  { id: "decided_at", header: "Decided", width: 105, cell: (one) => <Instant at={one.decided_at} show="relative" /> },
  { id: "reason", header: "Why", width: 160, cell: (one) => <Clamp text={one.reason} /> },
];

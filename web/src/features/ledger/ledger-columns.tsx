import type { LedgerEntry } from "@/api/ledger";
import { paths } from "@/lib/paths";
import { occurrenceState } from "@/lib/states";
import { AppLink } from "@/ui/AppLink";
import { CountsBar } from "@/ui/CountsBar";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import type { Column } from "@/ui/table-columns";
import { reasonInWords } from "./ledger-filters";
import classes from "./ledger.module.css";

const hasRun = (one: LedgerEntry): boolean => one.state === "open" || one.state === "closed";

/** Where an entry leads: to its run, and where it has none to its job. */
export const linkOf = (one: LedgerEntry): string => (hasRun(one) ? paths.jobRun(one.job_id, one.id) : paths.job(one.job_id));

const State = ({ one }: { one: LedgerEntry }) => (
  <span className={classes.state}>
    <StateBadge state={occurrenceState(one)} />
    {one.is_late && <span className={classes.late}>late</span>}
    {one.range_count > 1 && (
      <span className={classes.number} title="So many instants in a row, told as one">
        ×{one.is_range_capped ? "≥" : ""}
        {one.range_count.toLocaleString("en")}
      </span>
    )}
  </span>
);

const KINDS: Readonly<Record<string, string>> = {
  schedule: "Schedule",
  manual: "By hand",
  rerun: "Run again",
  backfill: "Backfill",
};

const FLAGS: Readonly<Record<string, string>> = {
  shifted_gap: "Moved: the clocks skip its time",
  first_of_two: "First of two: the clocks repeat its time",
  clamped: "Last day of a shorter month",
  in_blackout: "A window is closed",
  held: "Waits for the window",
  not_counted: "Windows not looked at",
};

/** The columns of the ledger, by the fields of its entries. */
export const LEDGER_COLUMNS: readonly Column<LedgerEntry>[] = [
  {
    id: "scheduled_for_at",
    header: "Due",
    width: 168,
    cell: (one) => <Instant at={one.scheduled_for_at} show="stacked" />,
  },
  {
    id: "job_name",
    header: "Job",
    width: 200,
    grow: true,
    fixed: true,
    phone: "title",
    cell: (one) => (
      <AppLink to={linkOf(one)} className={classes.job} title={one.job_name}>
        {one.job_name}
      </AppLink>
    ),
  },
  { id: "state", header: "State", width: 150, cell: (one) => <State one={one} /> },
  {
    id: "sentence",
    header: "What became of it",
    width: 360,
    grow: true,
    phone: "bare",
    cell: (one) => (
      <span className={classes.sentence} title={one.sentence}>
        {one.sentence}
      </span>
    ),
  },
  { id: "reason", header: "Why", width: 150, extra: true, cell: (one) => reasonInWords(one.reason) },
  {
    id: "counts",
    header: "Devices",
    width: 150,
    extra: true,
    cell: (one) =>
      Object.keys(one.counts).length ? (
        <CountsBar size="small" counts={one.counts} linkOf={(state) => paths.jobRun(one.job_id, one.id, { state })} />
      ) : (
        "–"
      ),
  },
  {
    id: "flags",
    header: "Notes",
    width: 190,
    extra: true,
    cell: (one) => one.flags.map((flag) => FLAGS[flag] ?? flag.replaceAll("_", " ")).join(", ") || "–",
  },
  { id: "kind", header: "Begun by", width: 110, extra: true, cell: (one) => KINDS[one.kind] ?? one.kind },
  {
    id: "held_until_at",
    header: "Held until",
    width: 168,
    extra: true,
    cell: (one) => <Instant at={one.held_until_at} show="stacked" />,
  },
  {
    id: "created_at",
    header: "Written",
    width: 168,
    extra: true,
    phone: "hidden",
    cell: (one) => <Instant at={one.created_at} show="stacked" />,
  },
];

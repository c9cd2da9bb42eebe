import { Badge } from "@mantine/core";
import type { AssemblyItem } from "@/api/assemblies";
import { bytes } from "@/lib/bytes";
import { paths } from "@/lib/paths";
import { duration } from "@/lib/time";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { Instant } from "@/ui/Instant";
import type { Column } from "@/ui/table-columns";
import { interpreterName } from "./draft";
import classes from "./assemblies.module.css";

const NameCell = ({ one }: { one: AssemblyItem }) => (
  <span className={classes.nameCell}>
    <AppLink to={paths.assembly(one.id)} className={classes.link}>
      {one.name}
    </AppLink>
    {one.archived_at && (
      <Badge size="xs" variant="default" tt="none">
        archived
      </Badge>
    )}
    {one.description && <span className={classes.about}>{one.description}</span>}
  </span>
);

export const ASSEMBLY_COLUMNS: readonly Column<AssemblyItem>[] = [
  { id: "name", header: "Assembly", width: 230, grow: true, fixed: true, phone: "title", cell: (one) => <NameCell one={one} /> },
  { id: "kind", header: "Kind", width: 80, extra: true, phone: "hidden", cell: (one) => one.kind },
  { id: "interpreter", header: "Interpreter", width: 132, cell: (one) => interpreterName(one.interpreter, one.kind) },
  {
    id: "used_by_jobs",
    header: "Used by",
    width: 84,
    cell: (one) =>
      one.used_by_jobs ? (
        <AppLink to={paths.assembly(one.id, { tab: "jobs" })}>
          {one.used_by_jobs.toLocaleString("en")} {one.used_by_jobs === 1 ? "job" : "jobs"}
        </AppLink>
      ) : (
        "no job"
      ),
  },
  {
    id: "variables",
    header: "Variables",
    width: 170,
    grow: true,
    cell: (one) => <Clamp text={one.variables?.map((each) => each.name).join(", ") || null} />,
  },
  {
    id: "files",
    header: "Files",
    width: 100,
    phone: "hidden",
    cell: (one) =>
      one.files?.length ? `${one.files.length} · ${bytes(one.files.reduce((sum, file) => sum + file.size, 0))}` : "–",
  },
  {
    id: "revision",
    header: "Revision",
    width: 80,
    align: "right",
    cell: (one) => <AppLink to={paths.assembly(one.id, { tab: "revisions" })}>{one.revision}</AppLink>,
  },
  { id: "updated_at", header: "Updated", width: 98, cell: (one) => <Instant at={one.updated_at} show="relative" /> },
  { id: "updated_by", header: "By", width: 92, phone: "hidden", cell: (one) => one.updated_by ?? "–" },
  { id: "time_limit_seconds", header: "Time limit", width: 100, extra: true, cell: (one) => duration(one.time_limit_seconds) },
  {
    id: "created_at",
    header: "Created",
    width: 190,
    extra: true,
    phone: "hidden",
    cell: (one) => <Instant at={one.created_at} />,
  },
  { id: "created_by", header: "Created by", width: 110, extra: true, phone: "hidden", cell: (one) => one.created_by ?? "–" },
];

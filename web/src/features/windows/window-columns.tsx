import type { WindowRow } from "@/api/windows";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import type { Column } from "@/ui/table-columns";
import classes from "./windows.module.css";

export const KINDS = [
  { value: "allow", label: "Maintenance window" },
  { value: "deny", label: "Blackout" },
] as const;

export const KindMark = ({ kind }: { kind: "allow" | "deny" }) => (
  <span className={classes.kind} data-tone={kind === "deny" ? "bad" : "good"}>
    <Icon name={kind === "deny" ? "cancelled" : "window"} size={14} />
    {kind === "deny" ? "Blackout" : "Maintenance window"}
  </span>
);

/** Whether it holds now, in words; null where that differs from site to site. */
export const Now = ({ window }: { window: Pick<WindowRow, "enabled" | "current" | "kind"> }) => {
  if (!window.enabled) return <span className={classes.dim}>Off</span>;
  if (!window.current) return <span className={classes.dim}>By each site’s clocks</span>;
  const { is_inside, until_at } = window.current;
  const word = is_inside
    ? window.kind === "deny"
      ? "Closed now"
      : "Open now"
    : window.kind === "deny"
      ? "Not now"
      : "Closed now";
  return (
    <span className={classes.now}>
      <strong>{word}</strong>
      {until_at ? (
        <span>
          until <Instant at={until_at} />
        </span>
      ) : (
        <span className={classes.dim}>with no change in sight</span>
      )}
    </span>
  );
};

export const WINDOW_COLUMNS: readonly Column<WindowRow>[] = [
  {
    id: "name",
    header: "Window",
    width: 200,
    grow: true,
    fixed: true,
    phone: "title",
    cell: (one) => (
      <AppLink to={paths.window(one.id)} className={classes.name} title={one.name}>
        {one.name}
      </AppLink>
    ),
  },
  { id: "kind", header: "Kind", width: 168, cell: (one) => <KindMark kind={one.kind} /> },
  { id: "current", header: "Now", width: 210, cell: (one) => <Now window={one} /> },
  {
    id: "span_texts",
    header: "When",
    width: 260,
    grow: true,
    cell: (one) => {
      const more = one.span_count - one.span_texts.length;
      const texts = one.span_texts.map((text) => text ?? "cannot be read");
      return <Clamp text={[...texts, ...(more > 0 ? [`and ${more.toLocaleString("en")} more`] : [])].join("; ")} />;
    },
  },
  {
    id: "covers",
    header: "Covers",
    width: 180,
    cell: (one) => <Clamp text={one.covers.join(", ") + (one.spans_other_sites ? ", and more that you do not see" : "")} />,
  },
  {
    id: "when_closed",
    header: "What may not start",
    width: 130,
    cell: (one) => (one.when_closed === "defer" ? "waits" : "is skipped"),
  },
  {
    id: "description",
    header: "Description",
    width: 220,
    extra: true,
    phone: "hidden",
    cell: (one) => <Clamp text={one.description || null} />,
  },
  {
    id: "updated_at",
    header: "Updated",
    width: 110,
    phone: "hidden",
    extra: true,
    cell: (one) => <Instant at={one.updated_at} show="relative" />,
  },
  { id: "updated_by", header: "Updated by", width: 110, phone: "hidden", extra: true, cell: (one) => one.updated_by ?? "–" },
];

import type { Filter } from "@/api/filters";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import type { Column } from "@/ui/table-columns";
import classes from "./filters.module.css";

const sitesOf = (filter: Filter): string => {
  if (filter.site_mode === "all") return filter.spans_other_sites ? "all, also some that you do not see" : "all";
  const count = (filter.site_ids ?? []).length;
  return `${filter.site_mode === "only" ? "only" : "all but"} ${count} ${count === 1 ? "site" : "sites"}`;
};

/** The columns of the list of filters. */
export const FILTER_COLUMNS: readonly Column<Filter>[] = [
  {
    id: "name",
    header: "Filter",
    width: 220,
    grow: true,
    fixed: true,
    phone: "title",
    sort: { ascending: "name", descending: "-name" },
    cell: (filter) => (
      <span className={classes.name}>
        <AppLink to={paths.filter(filter.id)} className={classes.link}>
          {filter.name}
        </AppLink>
        {filter.archived_at && <StateBadge plain state="archived" />}
        {filter.description && <Clamp text={filter.description} />}
      </span>
    ),
  },
  {
    id: "in_words",
    header: "Devices that meet",
    width: 380,
    grow: true,
    cell: (filter) => <Clamp text={filter.in_words} none="a custom field that is gone" />,
  },
  { id: "site_mode", header: "Sites", width: 140, cell: sitesOf },
  {
    id: "updated_at",
    header: "Changed",
    width: 110,
    phone: "hidden",
    sort: { ascending: "updated_at", descending: "-updated_at" },
    cell: (filter) => <Instant at={filter.updated_at} show="relative" />,
  },
  { id: "updated_by", header: "By", width: 100, phone: "hidden", cell: (filter) => filter.updated_by ?? "–" },
];

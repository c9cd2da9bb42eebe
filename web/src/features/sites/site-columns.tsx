import type { Site } from "@/api/sites";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { Instant } from "@/ui/Instant";
import type { Column } from "@/ui/table-columns";
import { AutoApprovalMark } from "./AutoApprovalMark";
import classes from "./sites.module.css";

/** The columns of the list of sites. */
export const SITE_COLUMNS: readonly Column<Site>[] = [
  {
    id: "name",
    header: "Site",
    width: 220,
    grow: true,
    fixed: true,
    phone: "title",
    cell: (site) => (
      <span className={classes.name}>
        <AppLink to={paths.site(site.id)} className={classes.link}>
          {site.name}
        </AppLink>
        {site.description && <Clamp text={site.description} />}
      </span>
    ),
  },
  {
    id: "device_count",
    header: "Devices",
    width: 170,
    cell: (site) => <DeviceCount site={site} />,
  },
  { id: "timezone", header: "Time zone", width: 160, cell: (site) => site.timezone },
  {
    id: "auto_approve_until",
    header: "New devices",
    width: 240,
    cell: (site) => <AutoApprovalMark site={site} />,
  },
  {
    id: "enrolment_code_rotated_at",
    header: "Code since",
    width: 120,
    phone: "hidden",
    cell: (site) => <Instant at={site.enrolment_code_rotated_at} siteZone={site.timezone} show="relative" />,
  },
];

/** How many devices there are, and how many of them are here now; each number leads to them. */
export const DeviceCount = ({ site }: { site: Site }) => {
  if (site.device_count === 0) return <span className={classes.dim}>none yet</span>;
  return (
    <span>
      <AppLink to={paths.devices({ site_id: site.id })} className={classes.count}>
        {site.device_count.toLocaleString("en")}
      </AppLink>{" "}
      <AppLink to={paths.devices({ site_id: site.id, online: true })} className={classes.online}>
        ({site.online_count.toLocaleString("en")} online)
      </AppLink>
    </span>
  );
};

import type { Credential } from "@/api/credentials";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Icon } from "@/ui/icons";
import { StateBadge } from "@/ui/StateBadge";
import type { Column } from "@/ui/table-columns";
import { kindInWords, lostInWords, meansInWords } from "./credential-filters";
import classes from "./credentials.module.css";

const Name = ({ one }: { one: Credential }) => (
  <span className={classes.name}>
    <strong>{one.name}</strong>
    {one.state === "reset_required" ? (
      <span className={classes.lost}>Give anew: {lostInWords(one)}. The key that sealed it is lost.</span>
    ) : (
      one.description && <span className={classes.about}>{one.description}</span>
    )}
  </span>
);

const Place = ({ one }: { one: Credential }) => (
  <span className={classes.place}>
    <Icon name="site" size={14} />
    {one.site_id === null ? "Every site" : <AppLink to={paths.site(one.site_id)}>{one.site_name ?? one.site_id}</AppLink>}
  </span>
);

const Means = ({ one }: { one: Credential }) => (
  <span className={classes.name}>
    <span>{meansInWords(one) || "–"}</span>
    {one.key && (
      <code className={classes.about} title={one.key.fingerprint}>
        {one.key.fingerprint}
      </code>
    )}
  </span>
);

export const CREDENTIAL_COLUMNS: readonly Column<Credential>[] = [
  { id: "name", header: "Credential", width: 220, grow: true, phone: "title", cell: (one) => <Name one={one} /> },
  { id: "kind", header: "Kind", width: 130, cell: kindInWords },
  { id: "site", header: "For", width: 130, cell: (one) => <Place one={one} /> },
  { id: "username", header: "Signs in as", width: 120, cell: (one) => one.username ?? "–" },
  { id: "means", header: "By", width: 190, grow: true, cell: (one) => <Means one={one} /> },
  { id: "state", header: "State", width: 140, cell: (one) => <StateBadge state={one.state} /> },
];

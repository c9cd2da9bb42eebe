import type { AuditEntry } from "@/api/audit";
import { AppLink } from "@/ui/AppLink";
import { Clamp } from "@/ui/Clamp";
import { Instant } from "@/ui/Instant";
import type { Column } from "@/ui/table-columns";
import { actionInWords, detailInWords, kindInWords, nameOf, pageOf } from "./audit-words";

const Thing = ({ one }: { one: AuditEntry }) => {
  const page = pageOf(one);
  const name = nameOf(one);
  return (
    <span>
      <span style={{ color: "var(--wb-dim)" }}>{kindInWords(one.object_kind)} </span>
      {page ? <AppLink to={page}>{name}</AppLink> : name}
    </span>
  );
};

export const auditColumns = (siteName: (id: number) => string): readonly Column<AuditEntry>[] => [
  { id: "at", header: "When", width: 146, cell: (one) => <Instant at={one.at} show="stacked" /> },
  { id: "actor", header: "Who", width: 100, cell: (one) => <Clamp text={one.actor} /> },
  {
    id: "action",
    header: "Did",
    width: 120,
    cell: (one) => <span title={one.action}>{actionInWords(one.action)}</span>,
  },
  { id: "object", header: "To", width: 200, grow: true, fixed: true, phone: "title", cell: (one) => <Thing one={one} /> },
  { id: "detail", header: "Detail", width: 220, grow: true, cell: (one) => <Clamp text={detailInWords(one.detail) || null} /> },
  { id: "site_id", header: "Site", width: 94, cell: (one) => (one.site_id === null ? "–" : siteName(one.site_id)) },
  { id: "remote_addr", header: "From", width: 110, cell: (one) => one.remote_addr ?? "–" },
];

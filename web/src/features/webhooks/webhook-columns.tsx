import type { Webhook } from "@/api/webhooks";
import { CopyText } from "@/ui/CopyText";
import { Instant } from "@/ui/Instant";
import type { Column } from "@/ui/table-columns";
import { modeInWords, outcomeInWords } from "./webhook-words";

const dim = { color: "var(--wb-dim)" };

export const WEBHOOK_COLUMNS: readonly Column<Webhook>[] = [
  {
    id: "name",
    header: "Webhook",
    width: 140,
    fixed: true,
    phone: "title",
    cell: (one) => <strong>{one.name}</strong>,
  },
  { id: "enabled", header: "On", width: 50, cell: (one) => (one.enabled ? "on" : <span style={dim}>off</span>) },
  { id: "mode", header: "Proof", width: 100, cell: (one) => modeInWords(one.mode) },
  {
    id: "url",
    header: "Address",
    width: 320,
    grow: true,
    cell: (one) => <CopyText text={one.url} label={`Copy the address of ${one.name}`} />,
  },
  {
    id: "last",
    header: "Last delivery",
    width: 160,
    cell: (one) =>
      one.last_delivery_at === null ? (
        <span style={dim}>none yet</span>
      ) : (
        <span>
          <Instant at={one.last_delivery_at} show="relative" />
          {one.last_outcome && <div style={dim}>{outcomeInWords(one.last_outcome)}</div>}
        </span>
      ),
  },
  {
    id: "secret",
    header: "Secret",
    width: 150,
    cell: (one) => (
      <span>
        <Instant at={one.secret_set_at} show="relative" />
        {one.previous_secret_until && (
          <div style={dim}>
            the one before until <Instant at={one.previous_secret_until} show="relative" />
          </div>
        )}
      </span>
    ),
  },
];

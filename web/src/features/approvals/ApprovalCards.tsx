import { Button, Checkbox } from "@mantine/core";
import type { Approval } from "@/api/approvals";
import type { Decision } from "@/api/approvals";
import { FactList } from "@/ui/FactList";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import classes from "./approvals.module.css";
import { oddness } from "./duplicates";
import { BroughtBy, Fingerprint, Odd, systemOf } from "./parts";

interface ApprovalCardsProps {
  approvals: readonly Approval[];
  selected: ReadonlySet<string>;
  onSelect: (selected: ReadonlySet<string>) => void;
  /** Why one may not decide; null where one may. */
  reason: string | null;
  onDecide: (decision: Decision, approval: Approval) => void;
  /** More are there than are read. */
  onMore?: () => void;
}

/** The requests as cards with buttons that a thumb can press: on a phone this is the whole screen. */
export const ApprovalCards = ({ approvals, selected, onSelect, reason, onDecide, onMore }: ApprovalCardsProps) => {
  const toggle = (id: string): void => {
    const next = new Set(selected);
    if (!next.delete(id)) next.add(id);
    onSelect(next);
  };
  return (
    <div className={classes.cards} role="list" aria-label="Device approvals">
      {approvals.map((one) => (
        <div
          key={one.id}
          role="listitem"
          aria-label={one.hostname}
          className={`wb-panel ${classes.card}`}
          data-selected={selected.has(one.id)}
        >
          <div className={classes.cardHead}>
            {one.state === "pending" && (
              <Checkbox
                size="md"
                checked={selected.has(one.id)}
                onChange={() => toggle(one.id)}
                aria-label={`Select ${one.hostname}`}
              />
            )}
            <span className={classes.host}>
              <strong>{one.hostname}</strong>
              <Odd sentence={oddness(one, approvals)} />
            </span>
            {one.state === "pending" ? (
              <Instant at={one.created_at} show="relative" />
            ) : (
              <StateBadge state={one.state} detail={one.reason} />
            )}
          </div>
          <Fingerprint approval={one} />
          <FactList
            facts={[
              { label: "Asks from", value: one.remote_addr },
              { label: "Site", value: one.site_name },
              { label: "System", value: systemOf(one) },
              ...(one.onboarding ? [{ label: "Brought by", value: <BroughtBy approval={one} /> }] : []),
              ...(one.reason ? [{ label: "Why", value: one.reason }] : []),
            ]}
          />
          {one.state === "pending" && (
            <div className={classes.decide} title={reason ?? undefined}>
              <Button
                size="md"
                variant="default"
                leftSection={<Icon name="cancelled" />}
                disabled={reason !== null}
                onClick={() => onDecide("deny", one)}
                aria-label={`Deny ${one.hostname}`}
              >
                Deny…
              </Button>
              <Button
                size="md"
                leftSection={<Icon name="approval" />}
                disabled={reason !== null}
                onClick={() => onDecide("approve", one)}
                aria-label={`Approve ${one.hostname}`}
              >
                Approve…
              </Button>
            </div>
          )}
        </div>
      ))}
      {onMore && (
        <Button variant="default" onClick={onMore}>
          Read more
        </Button>
      )}
    </div>
  );
};

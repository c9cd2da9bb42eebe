import type { Delivery } from "@/api/webhooks";
import { Icon } from "@/ui/icons";
import { OUTCOMES } from "./webhook-words";

/** What became of a delivery, by icon and word. */
export const Outcome = ({ outcome }: { outcome: Delivery["outcome"] }) => {
  const { word, tone, icon } = OUTCOMES[outcome];
  return (
    <span style={{ display: "inline-flex", gap: "0.35rem", alignItems: "center", color: `var(--wb-${tone})` }}>
      <Icon name={icon} size={13} />
      {word}
    </span>
  );
};

import { ActionIcon, Tooltip } from "@mantine/core";
import { Icon, type IconName } from "./icons";

interface IconActionProps {
  label: string;
  icon: IconName;
  /** Why it cannot be done now; the button stays reachable and says so. */
  reason?: string | null;
  busy?: boolean;
  onClick: () => void;
}

/** A small button with an icon. One that is off is still found by the keyboard, and says why. */
export const IconAction = ({ label, icon, reason, busy, onClick }: IconActionProps) => (
  <Tooltip label={reason ? `${label}: ${reason}` : label}>
    <ActionIcon
      aria-label={label}
      aria-description={reason ?? undefined}
      aria-disabled={reason ? true : undefined}
      loading={busy}
      style={reason ? { opacity: 0.45, cursor: "not-allowed" } : undefined}
      onClick={() => {
        if (!reason) onClick();
      }}
    >
      <Icon name={icon} />
    </ActionIcon>
  </Tooltip>
);

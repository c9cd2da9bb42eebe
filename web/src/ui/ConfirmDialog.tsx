import { Button, Group, Modal, Stack, Textarea } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { ProblemAlert } from "./ProblemAlert";

interface ConfirmDialogProps {
  opened: boolean;
  title: string;
  /** What is hit, by name and number. */
  children: ReactNode;
  /** The verb of the button: “Delete job”. */
  confirm: string;
  /** red for what cannot be taken back. */
  danger?: boolean;
  /** Ask why; `required` keeps the button off until something is said. */
  reason?: { label: string; required?: boolean };
  busy?: boolean;
  /** Why it cannot be done now; the button is off and says so. */
  blocked?: string | null;
  problem?: Parameters<typeof ProblemAlert>[0]["problem"];
  onConfirm: (reason: string) => void;
  onClose: () => void;
}

/** Asks before something is done, and names what it hits. */
export const ConfirmDialog = (props: ConfirmDialogProps) => {
  const { opened, title, children, confirm, danger, reason, busy, blocked, problem, onConfirm, onClose } = props;
  const [why, setWhy] = useState("");
  const lacking = blocked ?? (reason?.required && !why.trim() ? "Say why first." : null);
  return (
    <Modal opened={opened} onClose={onClose} title={title} closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!lacking) onConfirm(why.trim());
        }}
      >
        <Stack gap="sm">
          <div>{children}</div>
          {reason && (
            <Textarea
              label={reason.label}
              required={reason.required}
              autosize
              minRows={2}
              maxLength={500}
              value={why}
              onChange={(event) => setWhy(event.currentTarget.value)}
            />
          )}
          <ProblemAlert problem={problem} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button
              type="submit"
              color={danger ? "red.9" : undefined}
              loading={busy}
              disabled={lacking !== null}
              title={lacking ?? undefined}
            >
              {confirm}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

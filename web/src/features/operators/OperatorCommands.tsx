import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { type Operator, useDeleteOperator, useUpdateOperator } from "@/api/operators";
import { refusedAt } from "@/lib/refusals";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { OperatorDialog } from "./OperatorDialog";
import { PasswordField } from "./PasswordField";

export interface Asked {
  command: "edit" | "password" | "disable" | "delete";
  /** None for a new account. */
  operator: Operator | null;
}

/** The dialog of a command on one account. */
export const OperatorCommands = ({ asked, onClose }: { asked: Asked | null; onClose: () => void }) => {
  if (!asked) return null;
  const { command, operator } = asked;
  if (command === "edit" || !operator) return <OperatorDialog before={operator} onClose={onClose} />;
  if (command === "password") return <ResetPassword operator={operator} onClose={onClose} />;
  return command === "disable" ? (
    <Disable operator={operator} onClose={onClose} />
  ) : (
    <Remove operator={operator} onClose={onClose} />
  );
};

interface CommandProps {
  operator: Operator;
  onClose: () => void;
}

const ResetPassword = ({ operator, onClose }: CommandProps) => {
  const [password, setPassword] = useState("");
  const update = useUpdateOperator((saved) => `“${saved.username}” has a new password.`);
  return (
    <Modal opened onClose={onClose} title={`New password for ${operator.username}`} closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          update.mutate({ id: operator.id, change: { password } }, { onSuccess: onClose });
        }}
      >
        <Stack gap="sm">
          <Text size="sm">“{operator.username}” is signed out everywhere, and the password they have ends.</Text>
          <PasswordField
            label="New password"
            value={password}
            error={refusedAt(update.error)("password")}
            onChange={setPassword}
          />
          <ProblemAlert problem={update.error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={update.isPending}>
              Set password
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

const Disable = ({ operator, onClose }: CommandProps) => {
  const update = useUpdateOperator((saved) => `“${saved.username}” is disabled.`);
  return (
    <ConfirmDialog
      opened
      danger
      title="Disable the account"
      confirm="Disable account"
      busy={update.isPending}
      problem={update.error}
      onClose={onClose}
      onConfirm={() => update.mutate({ id: operator.id, change: { enabled: false } }, { onSuccess: onClose })}
    >
      “{operator.username}” is signed out and cannot sign in, and their API tokens stop working. What they made stays, and the
      account can be enabled again.
    </ConfirmDialog>
  );
};

const Remove = ({ operator, onClose }: CommandProps) => {
  const remove = useDeleteOperator();
  return (
    <ConfirmDialog
      opened
      danger
      title="Delete the account"
      confirm="Delete account"
      busy={remove.isPending}
      problem={remove.error}
      onClose={onClose}
      onConfirm={() => remove.mutate(operator, { onSuccess: onClose })}
    >
      “{operator.username}” is deleted for good. An account whose name stands anywhere already, as who made or did something, can
      only be disabled.
    </ConfirmDialog>
  );
};

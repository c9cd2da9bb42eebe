import { Button, Group, Modal, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { type Operator, useCreateOperator, useUpdateOperator } from "@/api/operators";
import { refusedAt } from "@/lib/refusals";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { PasswordField } from "./PasswordField";
import { type Rights, RightsFields } from "./RightsFields";

interface OperatorDialogProps {
  /** The account that is changed; none makes a new one. */
  before: Operator | null;
  onClose: () => void;
}

/** An account: who it is, and what it may do where. */
export const OperatorDialog = ({ before, onClose }: OperatorDialogProps) => {
  const [username, setUsername] = useState("");
  const [password, setPassword] = useState("");
  const [displayName, setDisplayName] = useState(before?.display_name ?? "");
  const [rights, setRights] = useState<Rights>({
    role: before?.role ?? "operator",
    site_ids: before?.site_ids ?? [],
    denied_permissions: before?.denied_permissions ?? [],
  });
  const create = useCreateOperator();
  const update = useUpdateOperator();
  const problem = create.error ?? update.error;
  const errorOf = refusedAt(problem);
  const submit = (): void => {
    const shared = { display_name: displayName, ...rights };
    if (before) update.mutate({ id: before.id, change: shared }, { onSuccess: onClose });
    else {
      create.mutate({ username, password, enabled: true, must_change_password: true, ...shared }, { onSuccess: onClose });
    }
  };
  return (
    <Modal
      opened
      size="lg"
      onClose={onClose}
      title={before ? `Change ${before.username}` : "New operator"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Stack gap="sm">
          {!before && (
            <TextInput
              label="Username"
              required
              maxLength={64}
              autoCapitalize="none"
              spellCheck={false}
              autoComplete="off"
              data-autofocus
              value={username}
              error={errorOf("username")}
              onChange={(event) => setUsername(event.currentTarget.value)}
            />
          )}
          <TextInput
            label="Name"
            description="As people call them; shown instead of the username where there is room."
            maxLength={200}
            value={displayName}
            error={errorOf("display_name")}
            onChange={(event) => setDisplayName(event.currentTarget.value)}
          />
          {!before && (
            <PasswordField label="First password" value={password} error={errorOf("password")} onChange={setPassword} />
          )}
          <RightsFields rights={rights} errorOf={errorOf} onChange={(patch) => setRights((now) => ({ ...now, ...patch }))} />
          <ProblemAlert problem={problem} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={create.isPending || update.isPending}>
              {before ? "Save account" : "Make account"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

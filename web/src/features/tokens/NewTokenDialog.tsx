import { Alert, Button, Checkbox, Group, Modal, Select, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import type { Permission } from "@/api/session";
import { type NewApiToken, useCreateToken } from "@/api/tokens";
import { refusedAt } from "@/lib/refusals";
import { permissionWords } from "@/lib/permissions";
import { browserZone, toLocalInput } from "@/lib/time";
import { CopyText } from "@/ui/CopyText";
import { Icon } from "@/ui/icons";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { expiryOf, type Lifetime, LIFETIMES } from "./expiry";
import classes from "./tokens.module.css";

const WEEK = 7 * 86_400_000;

/** Make a token of what one may do oneself; then its text, this once. */
export const NewTokenDialog = ({ permissions, onClose }: { permissions: readonly Permission[]; onClose: () => void }) => {
  const [made, setMade] = useState<NewApiToken | null>(null);
  return (
    <Modal
      opened
      size="lg"
      onClose={onClose}
      title={made ? `The token “${made.name}”` : "New API token"}
      closeButtonProps={{ "aria-label": "Close" }}
      closeOnClickOutside={!made}
      closeOnEscape={!made}
    >
      {made ? (
        <ShownOnce token={made} onClose={onClose} />
      ) : (
        <TokenForm permissions={permissions} onMade={setMade} onClose={onClose} />
      )}
    </Modal>
  );
};

const ShownOnce = ({ token, onClose }: { token: NewApiToken; onClose: () => void }) => (
  <Stack gap="sm">
    <Alert
      color="yellow"
      variant="light"
      icon={<Icon name="token" size={18} />}
      title="Copy it now"
      styles={{ label: { color: "var(--wb-warn)" } }}
    >
      It is shown this once. Whoever has it can do what it may; keep it like a password.
    </Alert>
    <CopyText text={token.token} label="Copy the token" />
    <Text size="sm">It goes into a header of each request:</Text>
    <CopyText text={`curl -H "Authorization: Bearer $TOKEN" ${location.origin}/api/session`} label="Copy the example" />
    <Group justify="flex-end">
      <Button onClick={onClose}>I have it</Button>
    </Group>
  </Stack>
);

interface TokenFormProps {
  permissions: readonly Permission[];
  onMade: (token: NewApiToken) => void;
  onClose: () => void;
}

const TokenForm = ({ permissions, onMade, onClose }: TokenFormProps) => {
  const [name, setName] = useState("");
  const [scopes, setScopes] = useState<readonly Permission[]>(["read"]);
  const [lifetime, setLifetime] = useState<Lifetime>("90");
  const [at, setAt] = useState(() => toLocalInput(new Date(Date.now() + WEEK)));
  const create = useCreateToken();
  const errorOf = refusedAt(create.error);
  const submit = (): void =>
    create.mutate({ name, scopes: [...scopes], expires_at: expiryOf(lifetime, at, new Date()) }, { onSuccess: onMade });
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <Stack gap="sm">
        <TextInput
          label="Name"
          description="What will use it."
          required
          maxLength={200}
          data-autofocus
          value={name}
          error={errorOf("name")}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <Group gap="sm" align="flex-start" grow>
          <Select
            label="It ends"
            data={[...LIFETIMES]}
            value={lifetime}
            allowDeselect={false}
            error={lifetime === "at" ? undefined : errorOf("expires_at")}
            onChange={(chosen) => setLifetime(LIFETIMES.find((one) => one.value === chosen)?.value ?? lifetime)}
          />
          {lifetime === "at" && (
            <TextInput
              type="datetime-local"
              label={`At (${browserZone()})`}
              required
              value={at}
              error={errorOf("expires_at")}
              onChange={(event) => setAt(event.currentTarget.value)}
            />
          )}
        </Group>
        <Checkbox.Group
          label="It may"
          description="Never more than you may yourself at that moment."
          value={[...scopes]}
          error={errorOf("scopes")}
          onChange={(chosen) => setScopes(permissions.filter((one) => chosen.includes(one)))}
        >
          <div className={classes.scopes}>
            {permissions.map((one) => (
              <Checkbox
                key={one}
                size="sm"
                value={one}
                label={permissionWords(one).label}
                description={permissionWords(one).about}
              />
            ))}
          </div>
        </Checkbox.Group>
        <ProblemAlert problem={create.error} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={create.isPending}>
            Make token
          </Button>
        </Group>
      </Stack>
    </form>
  );
};

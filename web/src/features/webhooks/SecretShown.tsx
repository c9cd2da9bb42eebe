import { Alert, Button, Group, Stack, Text } from "@mantine/core";
import type { MadeWebhook } from "@/api/webhooks";
import { CopyText } from "@/ui/CopyText";
import { Instant } from "@/ui/Instant";
import { Icon } from "@/ui/icons";
import { exampleOf } from "./webhook-words";

/** A secret, this once, and how it is used. */
export const SecretShown = ({ made, onClose }: { made: MadeWebhook; onClose: () => void }) => (
  <Stack gap="sm">
    <Alert
      color="yellow"
      variant="light"
      icon={<Icon name="token" size={18} />}
      title="Copy the secret now"
      styles={{ label: { color: "var(--wb-warn)" } }}
    >
      It is shown this once. Give it to the sender; keep it like a password.
    </Alert>
    <CopyText text={made.secret} label="Copy the secret" />
    {made.previous_secret_until && (
      <Text size="sm">
        The secret before is taken until <Instant at={made.previous_secret_until} />.
      </Text>
    )}
    <Text size="sm">Senders post JSON to this address:</Text>
    <CopyText text={made.url} label="Copy the address" />
    <Text size="sm">From a shell, with the secret in $SECRET:</Text>
    <CopyText text={exampleOf(made)} label="Copy the example" />
    <Group justify="flex-end">
      <Button onClick={onClose}>I have it</Button>
    </Group>
  </Stack>
);

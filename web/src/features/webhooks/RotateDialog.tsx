import { Button, Group, Modal, Select, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { type MadeWebhook, useRotateWebhook, type Webhook } from "@/api/webhooks";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { SecretShown } from "./SecretShown";
import { OVERLAPS } from "./webhook-words";

/** Replaces the secret; the one of now may be taken for a while longer, until the sender has the new one. */
export const RotateDialog = ({ one, onClose }: { one: Webhook; onClose: () => void }) => {
  const [made, setMade] = useState<MadeWebhook | null>(null);
  const [overlap, setOverlap] = useState("86400");
  const rotate = useRotateWebhook();
  return (
    <Modal
      opened
      size="lg"
      onClose={onClose}
      title={`A new secret of “${one.name}”`}
      closeButtonProps={{ "aria-label": "Close" }}
      closeOnClickOutside={!made}
      closeOnEscape={!made}
    >
      {made ? (
        <SecretShown made={made} onClose={onClose} />
      ) : (
        <Stack gap="sm">
          <Text size="sm">The new secret is shown once. Until the sender has it, the one of now can go on being taken.</Text>
          <Select
            label="The secret of now is taken"
            data={[...OVERLAPS]}
            value={overlap}
            allowDeselect={false}
            onChange={(chosen) => chosen && setOverlap(chosen)}
          />
          <ProblemAlert problem={rotate.error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button
              loading={rotate.isPending}
              onClick={() => rotate.mutate({ one, overlapSeconds: Number(overlap) }, { onSuccess: setMade })}
            >
              Replace the secret
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
};

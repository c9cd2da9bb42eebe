import { Button, Group, Modal, NumberInput, Select, Stack, Switch, TextInput } from "@mantine/core";
import { useState } from "react";
import { type MadeWebhook, useCreateWebhook, useUpdateWebhook, type Webhook, type WebhookBody } from "@/api/webhooks";
import { refusedAt, refusedElsewhere } from "@/lib/refusals";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { SecretShown } from "./SecretShown";
import { bodyOf, MODES, newWebhook } from "./webhook-words";

interface WebhookDialogProps {
  workflowId: string;
  /** null: a new one. */
  before: Webhook | null;
  onClose: () => void;
}

/** A webhook, new or as it stands; of a new one then its secret, this once. */
export const WebhookDialog = ({ workflowId, before, onClose }: WebhookDialogProps) => {
  const [made, setMade] = useState<MadeWebhook | null>(null);
  return (
    <Modal
      opened
      size="lg"
      onClose={onClose}
      title={made ? `The webhook “${made.name}”` : before ? `Webhook “${before.name}”` : "New webhook"}
      closeButtonProps={{ "aria-label": "Close" }}
      closeOnClickOutside={!made}
      closeOnEscape={!made}
    >
      {made ? (
        <SecretShown made={made} onClose={onClose} />
      ) : (
        <WebhookForm workflowId={workflowId} before={before} onMade={setMade} onClose={onClose} />
      )}
    </Modal>
  );
};

const SHOWN = ["name", "mode", "rate_per_minute", "enabled"];

const WebhookForm = ({ workflowId, before, onMade, onClose }: WebhookDialogProps & { onMade: (made: MadeWebhook) => void }) => {
  const [body, setBody] = useState<WebhookBody>(() => (before ? bodyOf(before) : newWebhook()));
  const create = useCreateWebhook(workflowId);
  const update = useUpdateWebhook();
  const { error, isPending } = before ? update : create;
  const said = refusedAt(error);
  const set = (patch: Partial<WebhookBody>): void => setBody({ ...body, ...patch });
  const submit = (): void => {
    if (before) update.mutate({ before, body }, { onSuccess: onClose });
    else create.mutate(body, { onSuccess: onMade });
  };
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
          description="Who sends to it."
          required
          maxLength={200}
          data-autofocus
          value={body.name}
          error={said("name")}
          onChange={(event) => set({ name: event.currentTarget.value })}
        />
        <Select
          label="Senders prove themselves by"
          description={before ? "It stays as it was made." : MODES.find((one) => one.value === body.mode)?.means}
          inputWrapperOrder={["label", "input", "description", "error"]}
          data={MODES.map(({ value, label }) => ({ value, label }))}
          value={body.mode}
          allowDeselect={false}
          disabled={before !== null}
          error={said("mode")}
          onChange={(chosen) => chosen && set({ mode: chosen === "bearer" ? "bearer" : "hmac" })}
        />
        <NumberInput
          label="Deliveries in a minute"
          description="More are turned away."
          inputWrapperOrder={["label", "input", "description", "error"]}
          min={1}
          max={6000}
          allowDecimal={false}
          value={body.rate_per_minute}
          error={said("rate_per_minute")}
          onChange={(number) => set({ rate_per_minute: Number(number) })}
        />
        <Switch
          label="On"
          description={body.enabled ? undefined : "Deliveries are answered as if there were no such webhook."}
          checked={body.enabled}
          error={said("enabled")}
          onChange={(event) => set({ enabled: event.currentTarget.checked })}
        />
        <ProblemAlert problem={refusedElsewhere(error, SHOWN)} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={isPending}>
            {before ? "Save webhook" : "Make webhook"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
};

import { Button, Group, Modal, PasswordInput, Radio, Select, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { useSites } from "@/api/sites";
import { useSetVariable, type VariableValue } from "@/api/variables";
import { refusedAt } from "@/lib/refusals";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { bodyOf, draftOf, KINDS, lackingPlace, type ValueDraft } from "./variable-draft";
import { placeInWords, SCOPES } from "./variable-filters";

interface VariableDialogProps {
  /** The value that is set anew; none sets a new one. */
  before: VariableValue | null;
  /** The field that names a device. */
  devicePicker: PickDevice;
  onClose: () => void;
}

type PickDevice = (value: string | null, error: string | undefined, onChange: (deviceId: string | null) => void) => ReactNode;

/** Set a value. A stored secret is never shown: it is replaced, or stays as it is. */
export const VariableDialog = ({ before, devicePicker, onClose }: VariableDialogProps) => {
  const [draft, setDraft] = useState(() => draftOf(before));
  const [isTried, setTried] = useState(false);
  const set = (patch: Partial<ValueDraft>): void => setDraft((now) => ({ ...now, ...patch }));
  const save = useSetVariable();
  const errorOf = refusedAt(save.error);
  const lacking = before ? null : lackingPlace(draft);
  const submit = (): void => {
    setTried(true);
    if (!lacking) save.mutate({ before, body: bodyOf(draft) }, { onSuccess: onClose });
  };
  return (
    <Modal
      opened
      onClose={onClose}
      title={before ? `Set ${before.name} anew` : "Set a variable"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Stack gap="sm">
          {before ? (
            <Text size="sm">For {placeInWords(before)}. It counts from the next start of a script on.</Text>
          ) : (
            <TextInput
              label="Name"
              description="As scripts find it in their environment."
              required
              maxLength={64}
              spellCheck={false}
              autoComplete="off"
              data-autofocus
              value={draft.name}
              error={errorOf("name")}
              onChange={(event) => set({ name: event.currentTarget.value })}
            />
          )}
          {!before && (
            <PlaceFields
              draft={draft}
              lacking={isTried ? lacking : null}
              errorOf={errorOf}
              devicePicker={devicePicker}
              onChange={set}
            />
          )}
          <Select
            label="Kind of value"
            data={[...KINDS]}
            value={draft.kind}
            allowDeselect={false}
            onChange={(chosen) => {
              const kind = KINDS.find((one) => one.value === chosen)?.value;
              if (kind) set({ kind, text: kind === "boolean" ? "true" : "" });
            }}
          />
          <ValueField
            draft={draft}
            isStored={before?.is_secret ?? false}
            error={errorOf("value")}
            onChange={(text) => set({ text })}
          />
          <TextInput
            label="Description"
            maxLength={1000}
            value={draft.description}
            error={errorOf("description")}
            onChange={(event) => set({ description: event.currentTarget.value })}
          />
          <ProblemAlert problem={save.error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending}>
              {before ? "Set anew" : "Set variable"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

interface PlaceFieldsProps {
  draft: ValueDraft;
  lacking: string | null;
  errorOf: (field: string) => string | undefined;
  devicePicker: PickDevice;
  onChange: (patch: Partial<ValueDraft>) => void;
}

const PlaceFields = ({ draft, lacking, errorOf, devicePicker, onChange }: PlaceFieldsProps) => {
  const sites = useSites();
  return (
    <>
      <Radio.Group
        label="For"
        value={draft.scope}
        onChange={(chosen) => {
          const scope = SCOPES.find((one) => one.value === chosen)?.value;
          if (scope) onChange({ scope });
        }}
      >
        <Group mt={4} gap="md">
          <Radio size="sm" value="everything" label="everything" />
          <Radio size="sm" value="site" label="one site" />
          <Radio size="sm" value="device" label="one device" />
        </Group>
      </Radio.Group>
      {draft.scope === "site" && (
        <Select
          label="Site"
          withAsterisk
          searchable
          data={sites.map((one) => ({ value: String(one.id), label: one.name }))}
          value={draft.siteId}
          error={lacking ?? errorOf("site_id")}
          onChange={(siteId) => onChange({ siteId })}
        />
      )}
      {draft.scope === "device" &&
        devicePicker(draft.deviceId, lacking ?? errorOf("device_id"), (deviceId) => onChange({ deviceId }))}
    </>
  );
};

interface ValueFieldProps {
  draft: ValueDraft;
  isStored: boolean;
  error: string | undefined;
  onChange: (text: string) => void;
}

const ValueField = ({ draft, isStored, error, onChange }: ValueFieldProps) => {
  if (draft.kind === "boolean")
    return (
      <Radio.Group label="Value" value={draft.text} error={error} onChange={onChange}>
        <Group mt={4} gap="md">
          <Radio size="sm" value="true" label="true" />
          <Radio size="sm" value="false" label="false" />
        </Group>
      </Radio.Group>
    );
  if (draft.kind === "secret")
    return (
      <PasswordInput
        label={isStored ? "New value" : "Value"}
        description={
          isStored ? "Left empty, the stored one stays. It is not shown to anybody." : "Kept sealed; it is not shown again."
        }
        required={!isStored}
        autoComplete="new-password"
        value={draft.text}
        error={error}
        onChange={(event) => onChange(event.currentTarget.value)}
        visibilityToggleButtonProps={{ "aria-label": "Show or hide what you type" }}
      />
    );
  if (draft.kind === "number")
    return (
      <TextInput
        label="Value"
        required
        inputMode="decimal"
        value={draft.text}
        error={error}
        onChange={(event) => onChange(event.currentTarget.value)}
      />
    );
  return (
    <Textarea
      label="Value"
      required
      autosize
      minRows={1}
      maxRows={10}
      value={draft.text}
      error={error}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
};

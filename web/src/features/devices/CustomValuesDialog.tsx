import { Button, Group, Modal, Select, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import type { CustomField } from "@/api/custom-fields";
import { type Device, useSetCustomValues } from "@/api/devices";
import { refusedAt, refusedElsewhere } from "@/lib/refusals";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { changesOf, draftOf } from "./custom-values";

interface CustomValuesDialogProps {
  device: Device;
  fields: readonly CustomField[];
  onClose: () => void;
}

/** The values that a device has of all custom fields. Only what is changed is sent. */
export const CustomValuesDialog = ({ device, fields, onClose }: CustomValuesDialogProps) => {
  const [before] = useState(() => draftOf(device));
  const [draft, setDraft] = useState(before);
  const save = useSetCustomValues(onClose);
  const wrong = refusedAt(save.error);
  const values = changesOf(fields, before, draft);
  const isSame = Object.keys(values).length === 0;
  const paths = fields.map((one) => `values.${one.name}`);
  return (
    <Modal opened onClose={onClose} title={`Custom fields of ${device.hostname}`} closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!isSame) save.mutate({ device, values });
        }}
      >
        <Stack gap="sm">
          {fields.map((field) => {
            const shared = {
              label: field.label,
              description: field.description || undefined,
              error: wrong(`values.${field.name}`),
            };
            const set = (text: string): void => setDraft({ ...draft, [field.name]: text });
            const text = draft[field.name] ?? "";
            if (field.type === "boolean")
              return (
                <Select
                  key={field.name}
                  {...shared}
                  clearable
                  placeholder="not known"
                  data={[
                    { value: "true", label: "yes" },
                    { value: "false", label: "no" },
                  ]}
                  value={text || null}
                  onChange={(value) => set(value ?? "")}
                />
              );
            return (
              <TextInput
                key={field.name}
                {...shared}
                type={field.type === "date" ? "date" : "text"}
                inputMode={field.type === "number" ? "decimal" : undefined}
                value={text}
                onChange={(event) => set(event.currentTarget.value)}
              />
            );
          })}
          <ProblemAlert problem={refusedElsewhere(save.error, paths)} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending} disabled={isSame} title={isSame ? "Nothing is changed." : undefined}>
              Save values
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

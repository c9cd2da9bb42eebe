import { Button, Select, Stack, Text } from "@mantine/core";
import type { ReactNode } from "react";
import { Icon } from "@/ui/icons";
import type { Attachment } from "./window-form";
import classes from "./windows.module.css";

const KINDS = [
  { value: "global", label: "Everything" },
  { value: "site", label: "A site" },
  { value: "filter", label: "A device filter" },
  { value: "device", label: "A device" },
  { value: "job", label: "A job" },
] as const;

interface AttachmentsProps {
  value: readonly Attachment[];
  said: (field: string) => string | undefined;
  /** The field that names a thing of that kind. */
  picker: (one: Attachment, error: string | undefined, onChange: (one: Attachment) => void) => ReactNode;
  /** What there is more, and is not seen. */
  more: string | null;
  onChange: (value: Attachment[]) => void;
}

/** What a window covers: sites, filters, devices and jobs, or everything. */
export const Attachments = ({ value, said, picker, more, onChange }: AttachmentsProps) => {
  const replace = (place: number, one: Attachment): void => onChange(value.map((other, at) => (at === place ? one : other)));
  return (
    <Stack gap="xs">
      {value.map((one, place) => {
        const error = said(`attachments.${place}`);
        return (
          <div key={place} className={classes.line} role="group" aria-label={`Covered ${place + 1}`}>
            <Select
              aria-label="What is covered"
              data={[...KINDS]}
              value={one.kind}
              allowDeselect={false}
              error={one.kind === "global" ? error : undefined}
              onChange={(chosen) => replace(place, { kind: KINDS.find((kind) => kind.value === chosen)?.value ?? one.kind })}
            />
            {one.kind !== "global" && picker(one, error, (changed) => replace(place, changed))}
            <Button
              className={classes.button}
              variant="subtle"
              color="gray"
              leftSection={<Icon name="close" size={14} />}
              aria-label={`Remove covered ${place + 1}`}
              onClick={() => onChange(value.filter((_, at) => at !== place))}
            >
              Remove
            </Button>
          </div>
        );
      })}
      {value.length === 0 && (
        <Text size="sm" c={said("attachments") ? "var(--wb-bad)" : "dimmed"}>
          {said("attachments") ?? "Nothing yet: say what it is for."}
        </Text>
      )}
      {more && (
        <Text size="sm" c="dimmed">
          {more}
        </Text>
      )}
      <div>
        <Button
          variant="default"
          leftSection={<Icon name="add" size={14} />}
          onClick={() => onChange([...value, { kind: value.length === 0 ? "site" : (value.at(-1)?.kind ?? "site") }])}
        >
          Add
        </Button>
      </div>
    </Stack>
  );
};

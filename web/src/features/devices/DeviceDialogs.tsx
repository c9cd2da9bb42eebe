import { Button, Group, Modal, Select, Stack, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import { type Device, type StatusVerb, useSetStatus, useUpdateDevice } from "@/api/devices";
import type { Site } from "@/api/sites";
import { refusedAt, refusedElsewhere } from "@/lib/refusals";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { ProblemAlert } from "@/ui/ProblemAlert";

/** Describes a device, or moves it to another site. */
export const EditDevice = ({ device, sites, onClose }: { device: Device; sites: readonly Site[]; onClose: () => void }) => {
  const [description, setDescription] = useState(device.description);
  const [siteId, setSiteId] = useState(device.site_id);
  const save = useUpdateDevice(onClose);
  const wrong = refusedAt(save.error);
  const isMoved = siteId !== device.site_id;
  return (
    <Modal opened onClose={onClose} title={`Edit ${device.hostname}`} closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate({ device, body: { description, site_id: isMoved ? siteId : undefined } });
        }}
      >
        <Stack gap="sm">
          <Textarea
            label="Description"
            autosize
            minRows={2}
            value={description}
            error={wrong("description")}
            onChange={(event) => setDescription(event.currentTarget.value)}
            data-autofocus
          />
          <Select
            label="Site"
            description={isMoved ? "Jobs and windows of its new site count for it from now on." : undefined}
            searchable
            placeholder="no site"
            data={sites.map((one) => ({ value: String(one.id), label: one.name }))}
            value={siteId === null ? null : String(siteId)}
            error={wrong("site_id")}
            onChange={(value) => value !== null && setSiteId(Number(value))}
          />
          <ProblemAlert problem={refusedElsewhere(save.error, ["description", "site_id"])} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending}>
              Save device
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

const WORDS: Readonly<Record<StatusVerb, { title: string; confirm: string; what: (name: string) => string }>> = {
  enable: {
    title: "Enable the device",
    confirm: "Enable device",
    what: (name) => `“${name}” may connect again, and jobs run on it.`,
  },
  disable: {
    title: "Disable the device",
    confirm: "Disable device",
    what: (name) => `Nothing runs on “${name}” and its connection is closed, until somebody enables it again.`,
  },
  revoke: {
    title: "Revoke the device",
    confirm: "Revoke device",
    what: (name) =>
      `The key of “${name}” is worth nothing any more, for ever: the machine would have to enrol again. What waits for it is left out. Its history stays.`,
  },
};

interface SetStatusProps {
  device: Device;
  verb: StatusVerb;
  onClose: () => void;
}

/** Lets a device in, keeps it out for a time, or for ever; the last needs its name typed. */
export const SetStatus = ({ device, verb, onClose }: SetStatusProps) => {
  const [typed, setTyped] = useState("");
  const set = useSetStatus();
  const words = WORDS[verb];
  const isForEver = verb === "revoke";
  const lacking = isForEver && typed.trim() !== device.hostname ? "Type the name of the device first." : null;
  return (
    <ConfirmDialog
      opened
      danger={verb !== "enable"}
      title={words.title}
      confirm={words.confirm}
      busy={set.isPending}
      problem={set.error}
      blocked={lacking}
      onClose={onClose}
      onConfirm={() => set.mutate({ device, verb }, { onSuccess: onClose })}
    >
      {words.what(device.hostname)}
      {isForEver && (
        <TextInput
          mt="sm"
          label={`Type “${device.hostname}” to go on`}
          autoComplete="off"
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          data-autofocus
        />
      )}
    </ConfirmDialog>
  );
};

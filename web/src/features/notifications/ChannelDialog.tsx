import { Alert, Button, Group, Modal, MultiSelect, SegmentedControl, Select, Stack, Switch, TextInput } from "@mantine/core";
import { useState } from "react";
import { type Channel, type ChannelBody, useSaveChannel } from "@/api/notifications";
import { useSites } from "@/api/sites";
import { refusedAt, refusedElsewhere } from "@/lib/refusals";
import { browserZone, zoneNames } from "@/lib/time";
import { CopyText } from "@/ui/CopyText";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { EmailFields, WebhookFields } from "./ChannelFields";
import { channelBodyOf, newChannel } from "./notification-words";

const SHOWN = ["name", "description", "to", "url", "secret", "headers", "smtp", "timezone", "digest", "quiet", "site_ids"];
const ZONES = zoneNames();

/** A channel, new or as it stands. What is sealed is never shown: left empty, it stays. */
export const ChannelDialog = ({ before, onClose }: { before: Channel | null; onClose: () => void }) => {
  const [value, setValue] = useState<ChannelBody>(() => (before ? channelBodyOf(before) : newChannel("webhook", browserZone())));
  const [secret, setSecret] = useState<string | null>(null);
  const sites = useSites();
  const save = useSaveChannel(before);
  const said = refusedAt(save.error);
  const set = (patch: Partial<ChannelBody>): void => setValue({ ...value, ...patch });
  if (secret)
    return (
      <Modal opened onClose={onClose} title="The signing secret" closeButtonProps={{ "aria-label": "Close" }}>
        <Stack gap="sm">
          <Alert color="yellow" variant="light">
            It signs what this channel sends, and is told only now. Give it to the receiver.
          </Alert>
          <CopyText text={secret} />
          <Group justify="flex-end">
            <Button onClick={onClose}>It is kept</Button>
          </Group>
        </Stack>
      </Modal>
    );
  const Fields = value.kind === "email" ? EmailFields : WebhookFields;
  return (
    <Modal
      opened
      size="lg"
      onClose={onClose}
      title={before ? `Channel “${before.name}”` : "New channel"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate(value, { onSuccess: (saved) => (saved.secret ? setSecret(saved.secret) : onClose()) });
        }}
      >
        <Stack gap="sm">
          {!before && (
            <SegmentedControl
              size="xs"
              aria-label="Kind"
              data={[
                { value: "webhook", label: "Webhook" },
                { value: "email", label: "E-mail" },
              ]}
              value={value.kind}
              onChange={(kind) =>
                setValue({ ...newChannel(kind === "email" ? "email" : "webhook", value.timezone), name: value.name })
              }
            />
          )}
          <TextInput
            label="Name"
            required
            maxLength={200}
            value={value.name}
            onChange={(event) => set({ name: event.currentTarget.value })}
            error={said("name")}
          />
          <Fields value={value} isNew={before === null} said={said} onChange={set} />
          <Timing value={value} said={said} onChange={set} />
          <MultiSelect
            label="For operators of"
            description="Nobody named: only those who see every site may use it."
            data={sites.map((one) => ({ value: String(one.id), label: one.name }))}
            value={(value.site_ids ?? []).map(String)}
            onChange={(ids) => set({ site_ids: ids.length ? ids.map(Number) : null })}
            error={said("site_ids")}
            searchable
            clearable
          />
          <Switch
            label="On"
            description={value.enabled ? undefined : "Nothing new is sent to it; what waits goes on waiting."}
            checked={value.enabled}
            onChange={(event) => set({ enabled: event.currentTarget.checked })}
          />
          <ProblemAlert problem={refusedElsewhere(save.error, SHOWN)} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending}>
              Save channel
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

interface PartProps {
  value: ChannelBody;
  said: (field: string) => string | undefined;
  onChange: (patch: Partial<ChannelBody>) => void;
}

/** When it sends: at once or gathered, and the hours in which it is quiet. */
const Timing = ({ value, said, onChange }: PartProps) => {
  const digest = value.digest?.daily_at ? "daily" : value.digest?.every_minutes ? "minutes" : "none";
  const isTimed = digest === "daily" || value.quiet;
  return (
    <>
      <Group gap="xs" align="flex-end">
        <Select
          label="What is not urgent"
          data={[
            { value: "none", label: "is sent at once" },
            { value: "minutes", label: "is gathered for some minutes" },
            { value: "daily", label: "is gathered until a time of day" },
          ]}
          value={digest}
          allowDeselect={false}
          onChange={(kind) =>
            onChange({ digest: kind === "minutes" ? { every_minutes: 60 } : kind === "daily" ? { daily_at: "07:30" } : null })
          }
          w={230}
        />
        {digest === "minutes" && (
          <TextInput
            label="Minutes"
            type="number"
            min={5}
            max={1440}
            w={100}
            value={value.digest?.every_minutes ?? ""}
            onChange={(event) => onChange({ digest: { every_minutes: Number(event.currentTarget.value) } })}
            error={said("digest")}
          />
        )}
        {digest === "daily" && (
          <TextInput
            label="Time of day"
            type="time"
            w={120}
            value={value.digest?.daily_at ?? ""}
            onChange={(event) => onChange({ digest: { daily_at: event.currentTarget.value } })}
            error={said("digest")}
          />
        )}
      </Group>
      <Switch
        label="Quiet hours: only what is urgent is sent"
        checked={Boolean(value.quiet)}
        onChange={(event) => onChange({ quiet: event.currentTarget.checked ? { from: "22:00", to: "07:00" } : null })}
      />
      {value.quiet && (
        <Group gap="xs">
          {(["from", "to"] as const).map((end) => (
            <TextInput
              key={end}
              type="time"
              label={end === "from" ? "From" : "To"}
              w={120}
              value={value.quiet?.[end] ?? ""}
              onChange={(event) =>
                onChange({ quiet: { ...(value.quiet ?? { from: "22:00", to: "07:00" }), [end]: event.currentTarget.value } })
              }
              error={said(`quiet.${end}`) ?? (end === "from" ? said("quiet") : undefined)}
            />
          ))}
        </Group>
      )}
      {isTimed && (
        <Select
          label="On the clocks of"
          data={ZONES}
          searchable
          limit={60}
          value={value.timezone}
          allowDeselect={false}
          onChange={(timezone) => timezone && onChange({ timezone })}
          error={said("timezone")}
        />
      )}
    </>
  );
};

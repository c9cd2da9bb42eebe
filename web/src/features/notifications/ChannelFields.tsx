import { Group, NumberInput, PasswordInput, Select, Switch, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useState } from "react";
import type { ChannelBody } from "@/api/notifications";
import { headersOf } from "./notification-words";

interface FieldsProps {
  value: ChannelBody;
  isNew: boolean;
  said: (field: string) => string | undefined;
  onChange: (patch: Partial<ChannelBody>) => void;
}

/** Of a webhook: where to, how it is signed, what goes with it. */
export const WebhookFields = ({ value, isNew, said, onChange }: FieldsProps) => {
  const [headers, setHeaders] = useState("");
  return (
    <>
      <TextInput
        label="URL"
        required={isNew}
        description={isNew ? "It is sealed, and shown to nobody again." : "It is sealed. Left empty, it stays."}
        placeholder="https://"
        value={value.url ?? ""}
        onChange={(event) => onChange({ url: event.currentTarget.value || null })}
        error={said("url")}
      />
      <PasswordInput
        label="Signing secret"
        description={isNew ? "whsec_…; left empty, one is made and told once." : "Left empty, it stays."}
        autoComplete="off"
        value={value.secret ?? ""}
        onChange={(event) => onChange({ secret: event.currentTarget.value || null })}
        error={said("secret")}
      />
      <Textarea
        label="Headers"
        description={isNew ? "Name: value, a line for each." : "Name: value, a line for each. Left empty, they stay."}
        autosize
        minRows={1}
        value={headers}
        onChange={(event) => {
          setHeaders(event.currentTarget.value);
          onChange({ headers: headersOf(event.currentTarget.value) });
        }}
        error={said("headers")}
      />
    </>
  );
};

const SERVER = { host: "", port: 587, tls: "starttls", sender: "" } as const;

/** Of e-mail: to whom, and by which server. */
export const EmailFields = ({ value, isNew, said, onChange }: FieldsProps) => {
  const smtp = value.smtp ?? null;
  const set = (patch: Partial<NonNullable<ChannelBody["smtp"]>>): void => onChange({ smtp: { ...(smtp ?? SERVER), ...patch } });
  return (
    <>
      <TagsInput
        label="To"
        placeholder="watch@example.org, then Enter"
        value={value.to ?? []}
        onChange={(to) => onChange({ to })}
        error={said("to")}
      />
      <Switch
        label="A mail server of its own"
        description={smtp ? undefined : "Without, the one that the Engine has by its settings."}
        checked={smtp !== null}
        onChange={(event) => onChange({ smtp: event.currentTarget.checked ? SERVER : null })}
      />
      {smtp && (
        <>
          <Group gap="xs" grow align="flex-start">
            <TextInput
              label="Host"
              required
              value={smtp.host}
              onChange={(event) => set({ host: event.currentTarget.value })}
              error={said("smtp.host")}
            />
            <NumberInput
              label="Port"
              required
              min={1}
              max={65_535}
              value={smtp.port}
              onChange={(port) => set({ port: Number(port) })}
              error={said("smtp.port")}
            />
            <Select
              label="Encryption"
              data={[
                { value: "starttls", label: "STARTTLS" },
                { value: "tls", label: "TLS" },
                { value: "off", label: "none" },
              ]}
              value={smtp.tls}
              allowDeselect={false}
              onChange={(tls) => set({ tls: tls === "tls" || tls === "off" ? tls : "starttls" })}
              error={said("smtp.tls")}
            />
          </Group>
          <TextInput
            label="Sender"
            required
            value={smtp.sender}
            onChange={(event) => set({ sender: event.currentTarget.value })}
            error={said("smtp.sender")}
          />
          <Group gap="xs" grow align="flex-start">
            <TextInput
              label="User"
              autoComplete="off"
              value={smtp.user ?? ""}
              onChange={(event) => set({ user: event.currentTarget.value || null })}
              error={said("smtp.user")}
            />
            <PasswordInput
              label="Password"
              autoComplete="new-password"
              description={isNew ? undefined : "Left empty, it stays."}
              value={smtp.password ?? ""}
              onChange={(event) => set({ password: event.currentTarget.value || null })}
              error={said("smtp.password")}
            />
          </Group>
        </>
      )}
    </>
  );
};

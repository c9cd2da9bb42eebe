import { Group, NumberInput, Select, Switch, Textarea, TextInput } from "@mantine/core";
import type { Credential } from "@/api/credentials";
import { type CredentialDraft, isByCertificate, isStored, type SecretName, takes } from "./credential-draft";
import { TRANSPORTS } from "./credential-filters";
import classes from "./credentials.module.css";
import { SecretField } from "./SecretField";

export interface FieldsProps {
  draft: CredentialDraft;
  before: Credential | null;
  errorOf: (field: string) => string | undefined;
  onChange: (patch: Partial<CredentialDraft>) => void;
}

/** Whom it signs in as, and by what. */
export const SignInFields = ({ draft, before, errorOf, onChange }: FieldsProps) => {
  const fieldsOf = { draft, before, errorOf, onChange };
  return (
    <>
      {draft.kind === "winrm" && <WinRmFields {...fieldsOf} />}
      <Group grow align="start" gap="sm">
        {!isByCertificate(draft) && (
          <TextInput
            label="Username"
            required
            spellCheck={false}
            autoComplete="off"
            value={draft.username}
            error={errorOf("username")}
            onChange={(event) => onChange({ username: event.currentTarget.value })}
          />
        )}
        <TextInput
          label="Domain"
          spellCheck={false}
          autoComplete="off"
          value={draft.domain}
          error={errorOf("domain")}
          onChange={(event) => onChange({ domain: event.currentTarget.value })}
        />
        <NumberInput
          label="Port"
          min={1}
          max={65_535}
          hideControls
          placeholder={draft.kind === "ssh" ? "22" : draft.tls ? "5986" : "5985"}
          value={draft.port ?? ""}
          error={errorOf("port")}
          onChange={(port) => onChange({ port: typeof port === "number" ? port : null })}
        />
      </Group>
      {isByCertificate(draft) && (
        <Textarea
          label="Certificate"
          description="Of the client, as PEM. It is no secret."
          required
          className={classes.pem}
          autosize
          minRows={2}
          maxRows={8}
          spellCheck={false}
          placeholder="-----BEGIN CERTIFICATE-----"
          value={draft.certificate}
          error={errorOf("certificate")}
          onChange={(event) => onChange({ certificate: event.currentTarget.value })}
        />
      )}
      <Secret {...fieldsOf} name="password" field="password" label="Password" />
      <Secret {...fieldsOf} name="private_key" field="private_key" label="Private key" />
      {(draft.secrets.private_key.text !== "" || isStored(before, "private_key")) && (
        <Secret {...fieldsOf} name="passphrase" field="passphrase" label="Passphrase of the key" />
      )}
    </>
  );
};

interface SecretProps extends FieldsProps {
  name: SecretName;
  field: string;
  label: string;
}

/** One of the secrets, where this way to sign in has a use for it. */
export const Secret = ({ draft, before, errorOf, onChange, name, field, label }: SecretProps) => {
  if (!takes(draft, name)) return null;
  const key = before?.key;
  return (
    <SecretField
      label={label}
      draft={draft.secrets[name]}
      isStored={isStored(before, name)}
      isKey={name === "private_key"}
      about={name === "private_key" && key ? `${key.type} ${String(key.bits)}, ${key.fingerprint}` : null}
      error={errorOf(field)}
      onChange={(secret) => onChange({ secrets: { ...draft.secrets, [name]: secret } })}
    />
  );
};

const WinRmFields = ({ draft, errorOf, onChange }: FieldsProps) => {
  const needsTls = draft.transport === "basic" || draft.transport === "certificate";
  return (
    <>
      <Select
        label="Signs in by"
        data={[...TRANSPORTS]}
        value={draft.transport}
        allowDeselect={false}
        error={errorOf("transport")}
        onChange={(chosen) => {
          const transport = TRANSPORTS.find((one) => one.value === chosen)?.value;
          if (transport) onChange({ transport });
        }}
      />
      <Switch
        label="Encrypted by TLS"
        description={needsTls ? "This way to sign in needs it." : undefined}
        checked={draft.tls}
        error={errorOf("tls")}
        onChange={(event) => onChange({ tls: event.currentTarget.checked })}
      />
      {draft.tls && (
        <Switch
          label="Check the devices’ certificates"
          description="Off, whoever sits between the Engine and a device can pretend to be it."
          checked={draft.validateCertificates}
          error={errorOf("validate_certificates")}
          onChange={(event) => onChange({ validateCertificates: event.currentTarget.checked })}
        />
      )}
    </>
  );
};

import { Alert, Button, Group, Modal, Radio, Select, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { type BecomeMethod, type Credential, useSaveCredential } from "@/api/credentials";
import { useSession } from "@/api/session";
import { useSites } from "@/api/sites";
import { refusedAt } from "@/lib/refusals";
import { Icon } from "@/ui/icons";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { bodyOf, type CredentialDraft, draftOf } from "./credential-draft";
import { KINDS, lostInWords } from "./credential-filters";
import { type FieldsProps, Secret, SignInFields } from "./SignInFields";

interface CredentialDialogProps {
  /** The credential that is saved anew; none makes a new one. */
  before: Credential | null;
  onClose: () => void;
}

/** Write a credential. What is stored of its secrets is never shown: it is replaced, taken away, or stays. */
export const CredentialDialog = ({ before, onClose }: CredentialDialogProps) => {
  const [draft, setDraft] = useState(() => draftOf(before));
  const set = (patch: Partial<CredentialDraft>): void => setDraft((now) => ({ ...now, ...patch }));
  const save = useSaveCredential();
  const fields = { draft, before, errorOf: refusedAt(save.error), onChange: set };
  return (
    <Modal
      opened
      size="lg"
      onClose={onClose}
      title={before ? `Change ${before.name}` : "New credential"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate({ before, body: bodyOf(draft) }, { onSuccess: onClose });
        }}
      >
        <Stack gap="sm">
          {before?.state === "reset_required" && <Lost one={before} />}
          <TextInput
            label="Name"
            required
            maxLength={200}
            data-autofocus
            value={draft.name}
            error={fields.errorOf("name")}
            onChange={(event) => set({ name: event.currentTarget.value })}
          />
          {before ? <Fixed one={before} /> : <PlaceFields {...fields} />}
          <SignInFields {...fields} />
          <BecomeFields {...fields} />
          <TextInput
            label="Description"
            maxLength={1000}
            value={draft.description}
            error={fields.errorOf("description")}
            onChange={(event) => set({ description: event.currentTarget.value })}
          />
          <ProblemAlert problem={save.error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending}>
              {before ? "Save credential" : "Make credential"}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

const Lost = ({ one }: { one: Credential }) => (
  <Alert color="red" variant="light" icon={<Icon name="failed" size={18} />} title="Nothing can sign in with it">
    The key that sealed it is lost. Give anew: {lostInWords(one)}. Its jobs were paused; resume them afterwards.
  </Alert>
);

const Fixed = ({ one }: { one: Credential }) => (
  <Text size="sm">
    {KINDS.find((kind) => kind.value === one.kind)?.label}, for {one.site_id === null ? "every site" : one.site_name}. Both stay
    as they were made.
  </Text>
);

const PlaceFields = ({ draft, errorOf, onChange }: FieldsProps) => {
  const sites = useSites();
  const seesAll = useSession()?.site_ids === null;
  return (
    <>
      <Radio.Group
        label="Signs in by"
        value={draft.kind}
        error={errorOf("kind")}
        onChange={(chosen) => onChange({ kind: chosen === "winrm" ? "winrm" : "ssh", becomeMethod: "", becomeUser: "" })}
      >
        <Group mt={4} gap="md">
          {KINDS.map((one) => (
            <Radio key={one.value} size="sm" value={one.value} label={one.label} />
          ))}
        </Group>
      </Radio.Group>
      <Select
        label="For"
        description={draft.siteId === null ? "The devices of every site." : "The devices of this site alone."}
        required={!seesAll}
        clearable={seesAll}
        searchable
        placeholder={seesAll ? "Every site" : "Choose a site"}
        data={sites.map((one) => ({ value: String(one.id), label: one.name }))}
        value={draft.siteId}
        error={errorOf("site_id")}
        onChange={(siteId) => onChange({ siteId })}
      />
    </>
  );
};

const METHODS: Readonly<Record<Credential["kind"], readonly BecomeMethod[]>> = { ssh: ["sudo", "su", "doas"], winrm: ["runas"] };

const BecomeFields = (fields: FieldsProps) => {
  const { draft, errorOf, onChange } = fields;
  const methods = METHODS[draft.kind];
  return (
    <>
      <Group grow align="start" gap="sm">
        <Select
          label="Then becomes another user"
          data={[{ value: "", label: "No" }, ...methods.map((one) => ({ value: one, label: `By ${one}` }))]}
          value={draft.becomeMethod}
          allowDeselect={false}
          error={errorOf("become.method")}
          onChange={(chosen) => onChange({ becomeMethod: methods.find((one) => one === chosen) ?? "" })}
        />
        {draft.becomeMethod !== "" && (
          <TextInput
            label="Whom"
            placeholder={draft.kind === "ssh" ? "root" : undefined}
            required={draft.kind === "winrm"}
            spellCheck={false}
            autoComplete="off"
            value={draft.becomeUser}
            error={errorOf("become.user")}
            onChange={(event) => onChange({ becomeUser: event.currentTarget.value })}
          />
        )}
      </Group>
      <Secret {...fields} name="become_password" field="become.password" label="Password for that" />
    </>
  );
};

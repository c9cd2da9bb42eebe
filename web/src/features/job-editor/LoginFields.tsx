import { Radio, Select, Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Credential, credentialChoices, type CredentialKind } from "@/api/credentials";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { heldLogin, type Login, loginKind } from "./login";
import type { JobForm } from "./use-job-form";

/** What the job signs in to its devices with. Nothing where its context runs through the agent. */
export const LoginFields = ({ form }: { form: JobForm }) => {
  const { draft, set, fault } = form;
  const kind = loginKind(draft.execution_context);
  if (!kind) return null;
  const login = heldLogin(draft.rest);
  const say = (next: Login): void => set({ rest: { ...draft.rest, ...next } });
  return (
    <>
      <Radio.Group
        label="Signs in with"
        value={login.use_service_account ? "service_account" : "credential"}
        error={fault("use_service_account")}
        onChange={(chosen) => say({ credential_id: null, use_service_account: chosen === "service_account" })}
      >
        <Stack gap={8} mt={4}>
          <Radio value="credential" label="A credential" description="Kept here, the same for all devices." />
          <Radio
            value="service_account"
            label="The service account"
            description="The Engine’s own on each device, where its agent has made one."
          />
        </Stack>
      </Radio.Group>
      {!login.use_service_account && (
        <CredentialSelect
          kind={kind}
          value={login.credential_id}
          error={fault("credential_id")}
          onChange={(credential_id) => say({ credential_id, use_service_account: false })}
        />
      )}
    </>
  );
};

interface CredentialSelectProps {
  kind: CredentialKind;
  value: number | null;
  error: string | undefined;
  onChange: (credentialId: number | null) => void;
}

const CredentialSelect = ({ kind, value, error, onChange }: CredentialSelectProps) => {
  const { data = [], isPending } = useQuery(credentialChoices(kind));
  const isStrange = value !== null && !isPending && !data.some((one) => one.id === value);
  const choices = [
    ...data.map((one) => ({ value: String(one.id), label: inWords(one) })),
    ...(isStrange ? [{ value: String(value), label: `Credential ${String(value)}, which does not fit` }] : []),
  ];
  return (
    <Select
      label="Credential"
      description={
        <>
          {choices.length === 0 && !isPending ? "There is none of this kind yet: " : "They are kept under "}
          <AppLink to={paths.credentials({ kind })} style={{ textDecoration: "underline" }}>
            Credentials
          </AppLink>
          .
        </>
      }
      inputWrapperOrder={["label", "input", "description", "error"]}
      withAsterisk
      searchable
      nothingFoundMessage="No credential is called so."
      data={choices}
      value={value === null ? null : String(value)}
      error={error}
      onChange={(chosen) => onChange(chosen === null ? null : Number(chosen))}
    />
  );
};

const inWords = (one: Credential): string => {
  const place = one.site_id === null ? "every site" : (one.site_name ?? `site ${String(one.site_id)}`);
  return `${one.name} · ${place}${one.state === "ready" ? "" : " · secrets lost"}`;
};

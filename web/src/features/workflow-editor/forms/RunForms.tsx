import { Checkbox, Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { assemblyQuery, revisionQuery } from "@/api/assemblies";
import { credentialChoices } from "@/api/credentials";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import classes from "../editor.module.css";
import { useEditorApi } from "../editor-context";
import { Choice, type Option } from "../fields";
import { AssemblyPicker, ThingPicker } from "../pickers";
import { type FormProps, numberOf, oneOf, recordOf, textOf } from "./form";
import { PoliciesForm } from "./PoliciesForm";
import { ValuesForm } from "./ValuesForm";

type Kind = "script" | "playbook" | "workflow";

/** Which assembly, which revision of it, and values for what it declares. */
const AssemblyFields = ({ kind, node, isReadOnly, fault, set }: FormProps & { kind: Kind }) => {
  const { assemblyId } = useEditorApi();
  const { assembly_id, revision } = node.settings;
  const id = textOf(assembly_id) || null;
  const number = numberOf(revision);
  const latest = useQuery({ ...assemblyQuery(id ?? ""), enabled: id !== null }).data;
  const fixed = useQuery({ ...revisionQuery(id ?? "", number ?? 1), enabled: id !== null && number !== null }).data;
  const values = kind === "workflow" ? "parameters" : "variables";
  const count = latest?.revision ?? number ?? 0;
  const revisions = Array.from({ length: count }, (_, at) => ({ value: String(count - at), label: `Revision ${count - at}` }));
  return (
    <>
      <AssemblyPicker
        kind={kind}
        not={assemblyId}
        value={id}
        error={fault("assembly_id")}
        isReadOnly={isReadOnly}
        onChange={(chosen) => set({ assembly_id: chosen, revision: "latest", [values]: {} })}
      />
      {id && (
        <>
          <AppLink to={paths.assembly(id)} className={classes.small} target="_blank">
            Open {latest?.name ?? "it"} in another tab
          </AppLink>
          <Select
            label="Revision"
            data={[{ value: "latest", label: "Always the latest" }, ...revisions]}
            value={number === null ? "latest" : String(number)}
            searchable={count > 12}
            allowDeselect={false}
            error={fault("revision")}
            readOnly={isReadOnly}
            onChange={(chosen) => chosen && set({ revision: chosen === "latest" ? "latest" : Number(chosen) })}
          />
        </>
      )}
      <ValuesForm
        nodeId={node.id}
        label={kind === "workflow" ? "Parameters" : "Variables"}
        declared={(number === null ? latest : fixed)?.variables ?? []}
        values={recordOf(node.settings[values])}
        field={values}
        isReadOnly={isReadOnly}
        fault={fault}
        onChange={(next) => set({ [values]: next })}
      />
    </>
  );
};

const LOCAL: readonly Option<"system" | "current_user">[] = [
  { value: "system", label: "System", means: "With the rights of the agent: root on Linux and macOS, SYSTEM on Windows." },
  {
    value: "current_user",
    label: "Whoever is signed in",
    means: "With the rights of each signed-in user, once in each session.",
  },
];

export const ScriptForm = (props: FormProps) => (
  <>
    <AssemblyFields {...props} kind="script" />
    <Choice
      label="Runs as"
      options={LOCAL}
      value={oneOf(props.node.settings["execution_context"], LOCAL, "system")}
      error={props.fault("execution_context")}
      isReadOnly={props.isReadOnly}
      onChange={(execution_context) => props.set({ execution_context })}
    />
    <PoliciesForm {...props} kind="script" />
  </>
);

const REMOTE: readonly Option<"ssh" | "ssh_individual" | "winrm" | "winrm_individual">[] = [
  {
    value: "ssh_individual",
    label: "SSH, a run for each device",
    means: "Each device is reached by itself and has its own output.",
  },
  { value: "ssh", label: "SSH, one run for all", means: "One run over all devices of a site, as in an inventory of many hosts." },
  { value: "winrm_individual", label: "WinRM, a run for each device", means: "For Windows: each device is reached by itself." },
  { value: "winrm", label: "WinRM, one run for all", means: "For Windows: one run over all devices of a site." },
];

export const PlaybookForm = (props: FormProps) => {
  const { node, isReadOnly, fault, set } = props;
  const context = oneOf(node.settings["execution_context"], REMOTE, "ssh_individual");
  const credentials = useQuery(credentialChoices(context.startsWith("ssh") ? "ssh" : "winrm")).data;
  const isService = node.settings["use_service_account"] === true;
  return (
    <>
      <AssemblyFields {...props} kind="playbook" />
      <Choice
        label="Reaches the devices"
        options={REMOTE}
        value={context}
        error={fault("execution_context")}
        isReadOnly={isReadOnly}
        onChange={(execution_context) => set({ execution_context, credential_id: null })}
      />
      <Checkbox
        label="By the service account of each device"
        checked={isService}
        error={fault("use_service_account")}
        disabled={isReadOnly}
        onChange={(event) => set({ use_service_account: event.currentTarget.checked, credential_id: null })}
      />
      {!isService && (
        <ThingPicker
          label="Credential"
          placeholder="that of the device or its site"
          things={credentials}
          isClearable
          value={numberOf(node.settings["credential_id"])}
          error={fault("credential_id")}
          isReadOnly={isReadOnly}
          onChange={(credential_id) => set({ credential_id })}
        />
      )}
      <PoliciesForm {...props} kind="playbook" />
    </>
  );
};

export const WorkflowForm = (props: FormProps) => <AssemblyFields {...props} kind="workflow" />;

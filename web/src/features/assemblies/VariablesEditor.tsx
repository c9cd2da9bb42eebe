import { Button, Checkbox, Select, TagsInput, TextInput } from "@mantine/core";
import type { AssemblyKind, DeclaredVariable } from "@/api/assemblies";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import classes from "./assemblies.module.css";
import { DefaultField } from "./DefaultField";
import { type DraftVariable, newVariable } from "./draft";

const TYPES: readonly { value: DeclaredVariable["type"]; label: string }[] = [
  { value: "string", label: "Text" },
  { value: "number", label: "Number" },
  { value: "boolean", label: "Yes or no" },
  { value: "choice", label: "Choice" },
  { value: "secret", label: "Secret" },
];

const WHERE: Readonly<Record<AssemblyKind, string>> = {
  script: "in the script’s environment",
  playbook: "a variable of each host",
  workflow: "a parameter of expressions",
};

const SAID: Readonly<Record<AssemblyKind, { one: string; many: string }>> = {
  script: { one: "variable", many: "Variables" },
  playbook: { one: "variable", many: "Variables" },
  workflow: { one: "parameter", many: "Parameters" },
};

const aboutThem = (kind: AssemblyKind, number: number): string => {
  if (kind === "workflow")
    return "Expressions call them parameters.NAME. What may be asked for is given by who runs it, by a job or by a webhook; else the default counts. Secrets are no parameters: keep them as variables of the Engine.";
  return number === 0
    ? `It declares none. A declared variable is ${WHERE[kind]} under its name; a job, a device, its site or everything gives its value.`
    : `They are ${WHERE[kind]} under these names. A value of the job goes before that of the device, of its site, of everything, and the default here.`;
};

type ErrorOf = (field: string) => string | undefined;

interface VariablesEditorProps {
  kind: AssemblyKind;
  variables: readonly DraftVariable[];
  isReadOnly: boolean;
  errorOf: ErrorOf;
  onChange: (variables: DraftVariable[]) => void;
}

/** The variables that a script declares: what a job asks for before it runs the script. */
export const VariablesEditor = ({ kind, variables, isReadOnly, errorOf, onChange }: VariablesEditorProps) => (
  <section className={`wb-panel ${classes.section}`} aria-label={SAID[kind].many}>
    <div className={classes.sectionHead}>
      <h2>{SAID[kind].many}</h2>
      {!isReadOnly && (
        <Button
          variant="default"
          leftSection={<Icon name="add" size={14} />}
          onClick={() => onChange([...variables, newVariable()])}
        >
          Add {SAID[kind].one}
        </Button>
      )}
    </div>
    <p className={classes.hint}>{aboutThem(kind, variables.length)}</p>
    {variables.map((one, place) => (
      <VariableRow
        key={one.key}
        kind={kind}
        variable={one}
        isReadOnly={isReadOnly}
        errorOf={(field) => errorOf(`variables.${place}.${field}`)}
        onChange={(next) => onChange(variables.map((other) => (other.key === one.key ? next : other)))}
        onRemove={() => onChange(variables.filter((other) => other.key !== one.key))}
      />
    ))}
  </section>
);

interface VariableRowProps {
  kind: AssemblyKind;
  variable: DraftVariable;
  isReadOnly: boolean;
  errorOf: ErrorOf;
  onChange: (variable: DraftVariable) => void;
  onRemove: () => void;
}

const VariableRow = ({ kind, variable, isReadOnly, errorOf, onChange, onRemove }: VariableRowProps) => {
  const set = (patch: Partial<DraftVariable>): void => onChange({ ...variable, ...patch });
  const name = variable.name || `the new ${SAID[kind].one}`;
  const what = kind === "workflow" ? "Parameter" : "Variable";
  return (
    <fieldset className={classes.variable} aria-label={`${what} ${variable.name || "without a name yet"}`}>
      <TextInput
        label="Name"
        value={variable.name}
        error={errorOf("name")}
        readOnly={isReadOnly}
        maxLength={64}
        spellCheck={false}
        onChange={(event) => set({ name: event.currentTarget.value })}
      />
      <Select
        label="Type"
        data={TYPES.filter((one) => kind !== "workflow" || one.value !== "secret" || variable.type === "secret")}
        value={variable.type}
        error={errorOf("type")}
        readOnly={isReadOnly}
        allowDeselect={false}
        onChange={(chosen) => {
          const type = TYPES.find((one) => one.value === chosen)?.value;
          if (type) set({ type, default: null });
        }}
      />
      <DefaultField
        variable={variable}
        isReadOnly={isReadOnly}
        error={errorOf("default")}
        onChange={(value) => set({ default: value })}
      />
      <Checkbox
        className={classes.afterLabel}
        mt={{ sm: "2rem" }}
        size="sm"
        label="Required"
        checked={variable.required}
        disabled={isReadOnly}
        onChange={(event) => set({ required: event.currentTarget.checked })}
      />
      {isReadOnly ? (
        <span />
      ) : (
        <span className={classes.afterLabel}>
          <IconAction label={`Remove ${name}`} icon="delete" onClick={onRemove} />
        </span>
      )}
      {variable.type === "choice" && (
        <TagsInput
          className={classes.wide}
          label="Choices"
          placeholder={isReadOnly ? undefined : "Type one, then Enter"}
          value={variable.choices}
          error={errorOf("choices")}
          readOnly={isReadOnly}
          onChange={(choices) => set({ choices })}
        />
      )}
      {kind === "workflow" && (
        <Checkbox
          className={classes.wide}
          size="sm"
          label="Whoever runs it, or a job, may set it"
          checked={variable.promptable}
          disabled={isReadOnly}
          onChange={(event) => set({ promptable: event.currentTarget.checked })}
        />
      )}
      <TextInput
        className={classes.wide}
        aria-label={`Description of ${name}`}
        placeholder={isReadOnly ? "No description" : "What it is for, to whoever makes a job with it"}
        value={variable.description}
        error={errorOf("description")}
        readOnly={isReadOnly}
        maxLength={1000}
        onChange={(event) => set({ description: event.currentTarget.value })}
      />
    </fieldset>
  );
};

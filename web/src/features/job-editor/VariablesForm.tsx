import { Button, NumberInput, PasswordInput, Select, Textarea, TextInput } from "@mantine/core";
import type { Variable } from "@/api/job-editor";
import { IconAction } from "@/ui/IconAction";
import { isSet, isTypedSecret } from "./form";
import classes from "./job-editor.module.css";
import type { JobForm } from "./use-job-form";
import { asNumber } from "./use-job-form";

type Values = Readonly<Record<string, unknown>>;

interface VariablesFormProps {
  title?: string;
  declared: readonly Variable[];
  values: Values;
  /** Where the API says what is wrong with them. */
  path: string;
  fault: JobForm["fault"];
  onChange: (values: Values) => void;
}

/** A field for each variable that the assembly declares. Empty = not given: the default, or what a site or device sets, counts. */
export const VariablesForm = ({ title = "Variables", declared, values, path, fault, onChange }: VariablesFormProps) => {
  const put = (name: string, value: unknown): void => {
    const others = Object.entries(values).filter(([other]) => other !== name);
    onChange(Object.fromEntries(value === undefined ? others : [...others, [name, value]]));
  };
  const strange = Object.keys(values).filter((name) => !declared.some((one) => one.name === name));
  if (declared.length + strange.length === 0) return null;
  return (
    <fieldset className={classes.variables}>
      <legend>{title}</legend>
      {declared.map((one) => (
        <VariableField
          key={one.name}
          variable={one}
          value={values[one.name]}
          error={fault(`${path}.${one.name}`)}
          onChange={(value) => put(one.name, value)}
        />
      ))}
      {strange.map((name) => (
        <div key={name} className={classes.strange}>
          <TextInput
            label={name}
            value={isSet(values[name]) ? "a secret" : String(values[name])}
            readOnly
            error={fault(`${path}.${name}`) ?? "This revision does not declare it."}
            style={{ flex: 1 }}
          />
          <IconAction label={`Take ${name} away`} icon="close" onClick={() => put(name, undefined)} />
        </div>
      ))}
      {fault(path) && (
        <p className={classes.fault} role="alert">
          {fault(path)}
        </p>
      )}
    </fieldset>
  );
};

interface FieldProps {
  variable: Variable;
  value: unknown;
  error?: string;
  onChange: (value: unknown) => void;
}

const VariableField = (props: FieldProps) => {
  const { variable, value, error, onChange } = props;
  const shared = {
    label: variable.name,
    description: variable.description || undefined,
    withAsterisk: variable.required,
    placeholder: placeholderOf(variable),
    error,
  };
  switch (variable.type) {
    case "secret":
      return <SecretField {...props} />;
    case "boolean":
      return (
        <Select
          {...shared}
          clearable
          data={["true", "false"]}
          value={typeof value === "boolean" ? String(value) : null}
          onChange={(chosen) => onChange(chosen === null ? undefined : chosen === "true")}
        />
      );
    case "choice":
      return (
        <Select
          {...shared}
          clearable
          searchable={(variable.choices?.length ?? 0) > 8}
          data={variable.choices ?? []}
          value={typeof value === "string" ? value : null}
          onChange={(chosen) => onChange(chosen ?? undefined)}
        />
      );
    case "number":
      return (
        <NumberInput
          {...shared}
          value={typeof value === "number" ? value : ""}
          onChange={(given) => onChange(asNumber(given) ?? undefined)}
        />
      );
    case "string":
      return (
        <Textarea
          {...shared}
          autosize
          minRows={1}
          maxRows={10}
          value={typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value)}
          onChange={(event) => onChange(event.currentTarget.value || undefined)}
        />
      );
  }
};

const placeholderOf = (variable: Variable): string => {
  if (variable.default !== null && variable.default !== undefined) return `${String(variable.default)} (default)`;
  return variable.required ? "" : "not given";
};

/** What is kept is never shown; it stays, or another one is given. */
const SecretField = ({ variable, value, error, onChange }: FieldProps) => {
  const description = variable.description || undefined;
  if (isSet(value))
    return (
      <div className={classes.strange}>
        <TextInput
          label={variable.name}
          description={description}
          withAsterisk={variable.required}
          value="is set, and not shown"
          readOnly
          error={error}
          style={{ flex: 1 }}
        />
        <Button
          variant="default"
          mt={23}
          aria-label={`Replace ${variable.name}`}
          onClick={() => onChange({ typed_secret: "", was_set: true })}
        >
          Replace
        </Button>
        {!variable.required && (
          <Button variant="subtle" color="gray" mt={23} aria-label={`Clear ${variable.name}`} onClick={() => onChange(undefined)}>
            Clear
          </Button>
        )}
      </div>
    );
  const typed = isTypedSecret(value) ? value : { typed_secret: "" };
  return (
    <div className={classes.strange}>
      <PasswordInput
        label={variable.name}
        description={description}
        withAsterisk={variable.required}
        autoComplete="new-password"
        placeholder={typed.was_set ? "empty: the old one stays" : variable.required ? "" : "not given"}
        visibilityToggleButtonProps={{ "aria-label": `Show what is typed for ${variable.name}` }}
        value={typed.typed_secret}
        onChange={(event) => onChange({ ...typed, typed_secret: event.currentTarget.value })}
        error={error}
        style={{ flex: 1 }}
      />
      {typed.was_set && (
        <Button variant="default" mt={23} aria-label={`Keep ${variable.name}`} onClick={() => onChange({ is_set: true })}>
          Keep
        </Button>
      )}
    </div>
  );
};

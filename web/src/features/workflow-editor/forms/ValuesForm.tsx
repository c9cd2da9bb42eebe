import { ActionIcon, NumberInput, Select, TextInput, Tooltip } from "@mantine/core";
import type { DeclaredVariable } from "@/api/assemblies";
import { Icon } from "@/ui/icons";
import classes from "../editor.module.css";
import type { Settings } from "../document";
import { ExpressionField } from "../ExpressionField";
import { recordOf, textOf } from "./form";

interface ValuesFormProps {
  nodeId: string;
  label: string;
  declared: readonly DeclaredVariable[];
  values: Settings;
  /** Where faults speak of them: `variables`. */
  field: string;
  isReadOnly: boolean;
  fault: (field: string) => string | undefined;
  onChange: (values: Settings) => void;
}

const isExpression = (value: unknown): boolean => typeof recordOf(value)["expression"] === "string";

/** A value, or an expression, for each variable that an assembly declares. Empty = not given. */
export const ValuesForm = (props: ValuesFormProps) => {
  const { nodeId, label, declared, values, field, isReadOnly, fault, onChange } = props;
  const put = (name: string, value: unknown): void => {
    const rest = Object.fromEntries(Object.entries(values).filter(([other]) => other !== name));
    onChange(value === undefined ? rest : { ...rest, [name]: value });
  };
  const strange = Object.keys(values).filter((name) => !declared.some((one) => one.name === name));
  if (declared.length + strange.length === 0) return null;
  return (
    <fieldset className={classes.fieldset}>
      <legend>{label}</legend>
      {declared.map((one) => (
        <ValueField
          key={one.name}
          nodeId={nodeId}
          variable={one}
          value={values[one.name]}
          error={fault(`${field}.${one.name}`)}
          isReadOnly={isReadOnly}
          onChange={(value) => put(one.name, value)}
        />
      ))}
      {strange.map((name) => (
        <div key={name} className={classes.valueRow}>
          <TextInput
            label={name}
            value={isExpression(values[name]) ? textOf(recordOf(values[name])["expression"]) : String(values[name])}
            error={fault(`${field}.${name}`) ?? "This revision does not declare it."}
            readOnly
          />
          {!isReadOnly && (
            <ActionIcon aria-label={`Take ${name} away`} mt={24} onClick={() => put(name, undefined)}>
              <Icon name="close" />
            </ActionIcon>
          )}
        </div>
      ))}
    </fieldset>
  );
};

/** None: not given. */
type Given = string | number | boolean | undefined;

interface LiteralProps {
  variable: DeclaredVariable;
  value: unknown;
  error?: string;
  isReadOnly: boolean;
  onChange: (value: Given) => void;
}

type ValueFieldProps = Omit<LiteralProps, "onChange"> & { nodeId: string; onChange: (value: unknown) => void };

const ValueField = (props: ValueFieldProps) => {
  const { nodeId, variable, value, error, isReadOnly, onChange } = props;
  const { name, type } = variable;
  if (type === "secret")
    return (
      <TextInput
        label={name}
        value=""
        placeholder="taken from the Engine's variables"
        description="A secret is not written into a workflow: keep it as a variable of the Engine, a site or a device."
        error={error}
        readOnly
      />
    );
  const isWorkedOut = isExpression(value);
  return (
    <div className={classes.valueRow}>
      {isWorkedOut ? (
        <ExpressionField
          nodeId={nodeId}
          label={name}
          value={textOf(recordOf(value)["expression"])}
          error={error}
          onChange={(expression) => onChange({ expression })}
        />
      ) : (
        <Literal {...props} />
      )}
      {!isReadOnly && (
        <Tooltip label={isWorkedOut ? "Give a value instead" : "Give an expression instead"}>
          <ActionIcon
            mt={24}
            aria-label={`${name} by an expression`}
            aria-pressed={isWorkedOut}
            variant={isWorkedOut ? "light" : "subtle"}
            onClick={() => onChange(isWorkedOut ? undefined : { expression: "" })}
          >
            <Icon name="value" />
          </ActionIcon>
        </Tooltip>
      )}
    </div>
  );
};

/** The value of a declared variable, as its type wants it. */
export const Literal = ({ variable, value, error, isReadOnly, onChange }: LiteralProps) => {
  const usual = variable.default;
  const shared = {
    label: variable.name,
    description: variable.description || undefined,
    withAsterisk: variable.required,
    placeholder: usual === null || usual === undefined ? "not given" : `${String(usual)} (default)`,
    error,
    readOnly: isReadOnly,
  };
  if (variable.type === "number")
    return (
      <NumberInput
        {...shared}
        hideControls
        value={typeof value === "number" ? value : ""}
        onChange={(given) => onChange(typeof given === "number" ? given : undefined)}
      />
    );
  if (variable.type === "boolean" || variable.type === "choice") {
    const isChoice = variable.type === "choice";
    return (
      <Select
        {...shared}
        clearable={!isReadOnly}
        data={isChoice ? (variable.choices ?? []) : ["true", "false"]}
        value={typeof value === "string" || typeof value === "boolean" ? String(value) : null}
        onChange={(chosen) => onChange(chosen === null ? undefined : isChoice ? chosen : chosen === "true")}
      />
    );
  }
  return <TextInput {...shared} value={textOf(value)} onChange={(event) => onChange(event.currentTarget.value || undefined)} />;
};

import { NumberInput, Select, Textarea } from "@mantine/core";
import type { DeclaredVariable } from "@/api/assemblies";
import { placeholder } from "./parameters";

interface ParameterFieldProps {
  parameter: DeclaredVariable;
  value: unknown;
  error: string | undefined;
  onChange: (value: unknown) => void;
}

/** A field for a parameter by its type. Empty: its default counts. */
export const ParameterField = ({ parameter, value, error, onChange }: ParameterFieldProps) => {
  const shared = {
    label: parameter.name,
    description: parameter.description || undefined,
    withAsterisk: parameter.required,
    placeholder: placeholder(parameter),
    error,
  };
  switch (parameter.type) {
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
          searchable={(parameter.choices?.length ?? 0) > 8}
          data={parameter.choices ?? []}
          value={typeof value === "string" ? value : null}
          onChange={(chosen) => onChange(chosen ?? undefined)}
        />
      );
    case "number":
      return (
        <NumberInput
          {...shared}
          value={typeof value === "number" ? value : ""}
          onChange={(given) => onChange(typeof given === "number" ? given : undefined)}
        />
      );
    case "string":
    case "secret":
      return (
        <Textarea
          {...shared}
          autosize
          minRows={1}
          maxRows={8}
          value={typeof value === "string" ? value : ""}
          onChange={(event) => onChange(event.currentTarget.value || undefined)}
        />
      );
  }
};

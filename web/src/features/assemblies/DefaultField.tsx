import { Select, TextInput } from "@mantine/core";
import { type DraftVariable, numberOrText } from "./draft";

interface DefaultFieldProps {
  variable: DraftVariable;
  isReadOnly: boolean;
  error: string | undefined;
  onChange: (value: DraftVariable["default"]) => void;
}

/** The default of a declared variable, as its type wants it; empty is none. A secret has none. */
export const DefaultField = ({ variable, isReadOnly, error, onChange }: DefaultFieldProps) => {
  const { type } = variable;
  const value = variable.default;
  if (type === "boolean" || type === "choice") {
    const options = type === "boolean" ? ["true", "false"] : [...new Set(variable.choices.filter(Boolean))];
    return (
      <Select
        label="Default"
        placeholder="none"
        data={options}
        value={value === null ? null : String(value)}
        error={error}
        readOnly={isReadOnly}
        clearable={!isReadOnly}
        onChange={(chosen) => onChange(chosen === null ? null : type === "boolean" ? chosen === "true" : chosen)}
      />
    );
  }
  return (
    <TextInput
      label="Default"
      placeholder={type === "secret" ? "a secret has none" : "none"}
      inputMode={type === "number" ? "decimal" : undefined}
      disabled={type === "secret"}
      readOnly={isReadOnly}
      value={value === null ? "" : String(value)}
      error={error}
      onChange={(event) => {
        const typed = event.currentTarget.value;
        onChange(type === "number" ? numberOrText(typed) : typed === "" ? null : typed);
      }}
    />
  );
};

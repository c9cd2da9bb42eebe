import { Select, TextInput } from "@mantine/core";
import classes from "./filters.module.css";
import { operatorWord } from "./fields";
import type { SoftwareDraft } from "./tree";

// As docs/filters.md has them; the Engine refuses others by name.
const NAMES = ["equals", "contains", "starts_with", "matches"];
const VERSIONS = ["equals", "lower", "lower_or_equal", "higher", "higher_or_equal"];
const choice = (value: string) => ({ value, label: operatorWord(value) });

interface SoftwareInputProps {
  software: SoftwareDraft;
  name: string;
  error: string | null;
  isReadOnly: boolean;
  onChange: (software: SoftwareDraft) => void;
}

/** Software by its name, and where it matters by version and source: all for one and the same package. */
export const SoftwareInput = ({ software, name, error, isReadOnly, onChange }: SoftwareInputProps) => {
  const shared = { size: "xs", disabled: isReadOnly };
  const set = (patch: Partial<SoftwareDraft>): void => onChange({ ...software, ...patch });
  return (
    <div>
      <div className={classes.software} role="group" aria-label={`Software of ${name}`}>
        <Select
          {...shared}
          aria-label={`How the name of ${name} is compared`}
          data={NAMES.map(choice)}
          allowDeselect={false}
          value={software.name_operator}
          onChange={(value) => set({ name_operator: value ?? "equals" })}
        />
        <TextInput
          {...shared}
          aria-label={`Software name of ${name}`}
          placeholder="openssl"
          value={software.name}
          onChange={(event) => set({ name: event.currentTarget.value })}
        />
        <Select
          {...shared}
          aria-label={`How the version of ${name} is compared`}
          placeholder="any version"
          clearable
          data={VERSIONS.map(choice)}
          value={software.version_operator || null}
          onChange={(value) => set({ version_operator: value ?? "", ...(value ? {} : { version: "" }) })}
        />
        <TextInput
          {...shared}
          aria-label={`Version of ${name}`}
          placeholder="3.0.11"
          disabled={isReadOnly || !software.version_operator}
          value={software.version}
          onChange={(event) => set({ version: event.currentTarget.value })}
        />
        <TextInput
          {...shared}
          aria-label={`Source of ${name}`}
          placeholder="any source"
          value={software.source}
          onChange={(event) => set({ source: event.currentTarget.value })}
          style={{ gridColumn: "1 / -1" }}
        />
      </div>
      {error && (
        <div className={classes.wrong} role="alert">
          {error}
        </div>
      )}
    </div>
  );
};

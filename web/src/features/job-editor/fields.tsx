import { Input, NumberInput, Select } from "@mantine/core";
import { useId, useState } from "react";
import classes from "./job-editor.module.css";
import type { Option } from "./policy-words";
import { meaningOf } from "./policy-words";
import { asNumber } from "./use-job-form";

interface ChoiceProps<T extends string> {
  label: string;
  options: readonly Option<T>[];
  value: T;
  onChange: (value: T) => void;
  error?: string;
}

/** One of a few ways, with what the chosen one means below it. */
export const Choice = <T extends string>({ label, options, value, onChange, error }: ChoiceProps<T>) => (
  <Select
    label={label}
    description={meaningOf(options, value)}
    inputWrapperOrder={["label", "input", "description", "error"]}
    data={options.map((one) => ({ value: one.value, label: one.label }))}
    value={value}
    allowDeselect={false}
    onChange={(chosen) => {
      const found = options.find((one) => one.value === chosen);
      if (found) onChange(found.value);
    }}
    error={error}
  />
);

const UNITS = [
  { value: "1", label: "seconds" },
  { value: "60", label: "minutes" },
  { value: "3600", label: "hours" },
  { value: "86400", label: "days" },
];

const unitOf = (seconds: number | null, usual: number): number => {
  if (!seconds) return usual;
  return [86_400, 3_600, 60].find((one) => seconds % one === 0) ?? 1;
};

interface DurationInputProps {
  label: string;
  description?: string;
  value: number | null;
  onChange: (seconds: number | null) => void;
  /** What counts while it is empty. */
  placeholder?: string;
  /** The unit of an empty field, in seconds. */
  usual?: number;
  error?: string;
}

/** A stretch of time, told in the unit in which it is a whole number. */
export const DurationInput = ({ label, description, value, onChange, placeholder, usual = 60, error }: DurationInputProps) => {
  const [unit, setUnit] = useState(unitOf(value, usual));
  const shown = value === null ? "" : Number((value / unit).toFixed(3));
  const id = useId();
  return (
    <Input.Wrapper
      id={id}
      label={label}
      description={description}
      inputWrapperOrder={["label", "input", "description", "error"]}
      error={error}
    >
      <div className={classes.duration}>
        <NumberInput
          id={id}
          aria-label={label}
          placeholder={placeholder}
          value={shown}
          min={0}
          onChange={(given) => {
            const number = asNumber(given);
            onChange(number === null ? null : Math.round(number * unit));
          }}
          error={Boolean(error)}
          style={{ flex: 1 }}
        />
        <Select
          aria-label={`Unit of: ${label}`}
          data={UNITS}
          value={String(unit)}
          allowDeselect={false}
          onChange={(chosen) => {
            const next = Number(chosen ?? unit);
            setUnit(next);
            if (shown !== "") onChange(Math.round(shown * next));
          }}
          w={104}
        />
      </div>
    </Input.Wrapper>
  );
};

interface CountInputProps {
  label: string;
  description?: string;
  value: number | null | undefined;
  onChange: (value: number | null) => void;
  placeholder?: string;
  min?: number;
  suffix?: string;
  error?: string;
}

/** A whole number; empty = none. */
export const CountInput = ({ value, onChange, min = 0, ...rest }: CountInputProps) => (
  <NumberInput
    {...rest}
    inputWrapperOrder={["label", "input", "description", "error"]}
    value={value ?? ""}
    min={min}
    allowDecimal={false}
    onChange={(given) => onChange(asNumber(given))}
  />
);

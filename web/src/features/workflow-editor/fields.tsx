import { Input, NumberInput, Select } from "@mantine/core";
import { useId, useState } from "react";
import classes from "./editor.module.css";

/** The fields that forms of nodes are made of. */

export interface Option<T extends string> {
  value: T;
  label: string;
  means?: string;
}

interface ChoiceProps<T extends string> {
  label: string;
  options: readonly Option<T>[];
  value: T;
  error?: string;
  isReadOnly: boolean;
  onChange: (value: T) => void;
}

const ORDER: ("label" | "input" | "description" | "error")[] = ["label", "input", "description", "error"];

/** One of a few ways, with what the chosen one means below it. */
export const Choice = <T extends string>({ label, options, value, error, isReadOnly, onChange }: ChoiceProps<T>) => (
  <Select
    label={label}
    description={options.find((one) => one.value === value)?.means}
    inputWrapperOrder={ORDER}
    data={options.map((one) => ({ value: one.value, label: one.label }))}
    value={value}
    error={error}
    readOnly={isReadOnly}
    allowDeselect={false}
    onChange={(chosen) => {
      const found = options.find((one) => one.value === chosen);
      if (found) onChange(found.value);
    }}
  />
);

const asNumber = (given: number | string): number | null => {
  const number = typeof given === "number" ? given : Number.parseFloat(given);
  return Number.isFinite(number) ? number : null;
};

interface CountProps {
  label: string;
  description?: string;
  placeholder?: string;
  suffix?: string;
  min?: number;
  value: number | null | undefined;
  error?: string;
  isReadOnly: boolean;
  onChange: (value: number | null) => void;
}

/** A whole number; empty = none. */
export const Count = ({ isReadOnly, value, min = 0, onChange, ...rest }: CountProps) => (
  <NumberInput
    {...rest}
    inputWrapperOrder={ORDER}
    value={value ?? ""}
    min={min}
    allowDecimal={false}
    hideControls
    readOnly={isReadOnly}
    onChange={(given) => onChange(asNumber(given))}
  />
);

const UNITS = [
  { value: "1", label: "seconds" },
  { value: "60", label: "minutes" },
  { value: "3600", label: "hours" },
  { value: "86400", label: "days" },
];

const unitOf = (seconds: number | null): number => [86_400, 3_600, 60].find((one) => seconds && seconds % one === 0) ?? 1;

interface TimeProps {
  label: string;
  description?: string;
  placeholder?: string;
  value: number | null;
  error?: string;
  isReadOnly: boolean;
  onChange: (seconds: number | null) => void;
}

/** A stretch of time, told in the unit in which it is a whole number. */
export const Time = ({ label, description, placeholder, value, error, isReadOnly, onChange }: TimeProps) => {
  const [unit, setUnit] = useState(value ? unitOf(value) : 60);
  const shown = value === null ? "" : Number((value / unit).toFixed(3));
  const id = useId();
  return (
    <Input.Wrapper id={id} label={label} description={description} inputWrapperOrder={ORDER} error={error}>
      <div className={classes.time}>
        <NumberInput
          id={id}
          placeholder={placeholder}
          value={shown}
          min={0}
          hideControls
          readOnly={isReadOnly}
          error={Boolean(error)}
          onChange={(given) => {
            const number = asNumber(given);
            onChange(number === null ? null : Math.round(number * unit));
          }}
        />
        <Select
          aria-label={`Unit of: ${label}`}
          data={UNITS}
          value={String(unit)}
          allowDeselect={false}
          readOnly={isReadOnly}
          onChange={(chosen) => {
            const next = Number(chosen ?? unit);
            setUnit(next);
            if (shown !== "") onChange(Math.round(shown * next));
          }}
        />
      </div>
    </Input.Wrapper>
  );
};

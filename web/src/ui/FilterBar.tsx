import { Button, Select, TextInput } from "@mantine/core";
import { type ReactNode, useEffect, useRef, useState } from "react";
import { useKeys } from "@/lib/keys";
import { Icon } from "./icons";
import classes from "./ui.module.css";

interface FilterBarProps {
  /** What is typed to find by; kept by the caller, in the address. */
  q: string;
  onSearch: (q: string) => void;
  placeholder: string;
  /** Further filters, such as `FilterSelect`s. */
  children?: ReactNode;
  /** Shown while any filter is set. */
  onClear?: () => void;
  /** At the right: views, columns. */
  end?: ReactNode;
}

const REST_MILLISECONDS = 200;

/** The filters of a list. Typing finds after a short rest; `/` jumps here. */
export const FilterBar = ({ q, onSearch, placeholder, children, onClear, end }: FilterBarProps) => {
  const [typed, setTyped] = useState(q);
  const [told, setTold] = useState(q);
  const input = useRef<HTMLInputElement>(null);
  // The address changed by another way: a view, a link, the browser's back.
  if (q !== told) {
    setTold(q);
    setTyped(q);
  }
  useEffect(() => {
    if (typed === told) return;
    const timer = setTimeout(() => {
      setTold(typed);
      onSearch(typed);
    }, REST_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [typed, told, onSearch]);
  useKeys([{ keys: "/", does: "Find in this list", group: "List", run: () => input.current?.focus() }]);
  return (
    <div className={classes.filters} role="search">
      <TextInput
        ref={input}
        size="xs"
        aria-label={placeholder}
        placeholder={placeholder}
        leftSection={<Icon name="search" size={14} />}
        value={typed}
        maxLength={200}
        onChange={(event) => setTyped(event.currentTarget.value)}
        onKeyDown={(event) => event.key === "Escape" && input.current?.blur()}
        className={classes.find}
      />
      {children}
      {onClear && (
        <Button variant="subtle" color="gray" onClick={onClear}>
          Clear filters
        </Button>
      )}
      {end && <div style={{ marginLeft: "auto", display: "flex", gap: "0.5rem" }}>{end}</div>}
    </div>
  );
};

interface FilterSelectProps<T extends string> {
  label: string;
  value: T | null;
  options: readonly { value: T; label: string }[];
  onChange: (value: T | null) => void;
}

/** One filter with a few words to choose from; empty means all. */
export const FilterSelect = <T extends string>({ label, value, options, onChange }: FilterSelectProps<T>) => (
  <Select
    size="xs"
    aria-label={label}
    placeholder={label}
    data={[...options]}
    value={value}
    onChange={(chosen) => onChange(options.find((one) => one.value === chosen)?.value ?? null)}
    clearable
    searchable={options.length > 8}
    w={options.length > 8 ? 180 : 148}
  />
);

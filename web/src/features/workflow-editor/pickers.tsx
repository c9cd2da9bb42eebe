import { MultiSelect, Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery, useQueries, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { assembliesQuery, assemblyQuery } from "@/api/assemblies";
import { deviceNameQuery } from "@/api/job-editor";
import { devicesByName } from "@/api/pickers";

/** Things that settings of nodes name, found by their names. */

interface Named {
  id: number | string;
  name: string;
}

interface ThingPickerProps {
  label: string;
  placeholder: string;
  things: readonly Named[] | undefined;
  value: number | null;
  error?: string;
  isReadOnly: boolean;
  isClearable?: boolean;
  onChange: (id: number | null) => void;
}

/** One of things that are few enough to be listed. */
export const ThingPicker = (props: ThingPickerProps) => {
  const { label, placeholder, things = [], value, error, isReadOnly, isClearable = false, onChange } = props;
  const data = things.map((one) => ({ value: String(one.id), label: one.name }));
  const isThere = value === null || data.some((one) => one.value === String(value));
  return (
    <Select
      label={label}
      placeholder={placeholder}
      searchable
      clearable={isClearable && !isReadOnly}
      nothingFoundMessage="Nothing is called so."
      data={isThere ? data : [{ value: String(value), label: `number ${value}` }, ...data]}
      value={value === null ? null : String(value)}
      error={error}
      readOnly={isReadOnly}
      onChange={(chosen) => onChange(chosen === null ? null : Number(chosen))}
    />
  );
};

interface AssemblyPickerProps {
  kind: "script" | "playbook" | "workflow";
  /** It cannot be chosen: a workflow within itself. */
  not?: string | null;
  value: string | null;
  error?: string;
  isReadOnly: boolean;
  onChange: (assemblyId: string) => void;
}

const LABELS = { script: "Script", playbook: "Playbook", workflow: "Workflow" } as const;

/** One assembly of a kind among any number: found by a part of its name. */
export const AssemblyPicker = ({ kind, not, value, error, isReadOnly, onChange }: AssemblyPickerProps) => {
  const [typed, setTyped] = useState("");
  const [q] = useDebouncedValue(typed, 250);
  const chosen = useQuery({ ...assemblyQuery(value ?? ""), enabled: value !== null }).data;
  const found = useInfiniteQuery({
    ...assembliesQuery({ kind, q: q && q !== chosen?.name ? q : undefined }),
    placeholderData: keepPreviousData,
  });
  const some = (found.data?.pages[0]?.items ?? [])
    .filter((one) => one.id !== not)
    .map((one) => ({ value: one.id, label: one.name }));
  const isThere = value === null || some.some((one) => one.value === value);
  return (
    <Select
      label={LABELS[kind]}
      placeholder="Type part of its name"
      withAsterisk
      searchable
      filter={({ options }) => options}
      nothingFoundMessage={`No ${kind} is called so.`}
      data={isThere ? some : [{ value, label: chosen?.name ?? value }, ...some]}
      value={value}
      error={error}
      readOnly={isReadOnly}
      allowDeselect={false}
      searchValue={typed}
      onSearchChange={setTyped}
      onChange={(id) => id && onChange(id)}
    />
  );
};

interface DevicesPickerProps {
  value: readonly string[];
  error?: string;
  isReadOnly: boolean;
  onChange: (deviceIds: string[]) => void;
}

/** Devices one by one, found by parts of their names. */
export const DevicesPicker = ({ value, error, isReadOnly, onChange }: DevicesPickerProps) => {
  const [typed, setTyped] = useState("");
  const [q] = useDebouncedValue(typed, 250);
  const found = useQuery({ ...devicesByName(q), placeholderData: keepPreviousData }).data ?? [];
  const names = useQueries({ queries: value.map((id) => deviceNameQuery(id)) });
  const chosen = value.map((id, at) => ({ value: id, label: names[at]?.data ?? id }));
  const more = found.filter((one) => !value.includes(one.id)).map((one) => ({ value: one.id, label: one.hostname }));
  return (
    <MultiSelect
      label="Devices"
      placeholder={isReadOnly || value.length > 0 ? undefined : "Type part of a name"}
      withAsterisk
      searchable
      filter={({ options }) => options}
      nothingFoundMessage="No device is called so."
      data={[...chosen, ...more]}
      value={[...value]}
      error={error}
      readOnly={isReadOnly}
      searchValue={typed}
      onSearchChange={setTyped}
      onChange={onChange}
    />
  );
};

import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { deviceByName, devicesByName } from "@/api/pickers";

interface DevicePickerProps {
  label: string;
  /** The label stands above the field, not within it. */
  isLabelled?: boolean;
  value: string | null;
  error?: string;
  onChange: (deviceId: string | null) => void;
}

/** One device among any number: found by a part of its name. */
export const DevicePicker = ({ label, isLabelled = false, value, error, onChange }: DevicePickerProps) => {
  const [typed, setTyped] = useState("");
  const [q] = useDebouncedValue(typed, 250);
  const chosen = useQuery(deviceByName(value ?? "")).data;
  const found = useQuery({
    ...devicesByName(q && q !== chosen?.hostname ? q : ""),
    placeholderData: keepPreviousData,
  });
  const some = (found.data ?? []).map((one) => ({ value: one.id, label: one.hostname }));
  const isThere = value === null || some.some((one) => one.value === value);
  return (
    <Select
      {...(isLabelled
        ? { label, withAsterisk: true, placeholder: "Type part of its name" }
        : { "aria-label": label, placeholder: label })}
      searchable
      filter={({ options }) => options}
      nothingFoundMessage="No device is called so."
      data={isThere ? some : [{ value, label: chosen?.hostname ?? value }, ...some]}
      value={value}
      error={error}
      searchValue={typed}
      onSearchChange={setTyped}
      onChange={onChange}
    />
  );
};

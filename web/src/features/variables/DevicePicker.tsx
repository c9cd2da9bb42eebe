import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { devicesQuery } from "@/api/devices";

interface DevicePickerProps {
  value: string | null;
  error: string | undefined;
  onChange: (deviceId: string | null) => void;
}

const REST_MILLISECONDS = 200;

/** One device, found by its name as one types. */
export const DevicePicker = ({ value, error, onChange }: DevicePickerProps) => {
  const [typed, setTyped] = useState("");
  const [q] = useDebouncedValue(typed, REST_MILLISECONDS);
  const found = useInfiniteQuery({ ...devicesQuery({ q: q || undefined }, 20), placeholderData: keepPreviousData });
  const devices = found.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Select
      label="Device"
      withAsterisk
      searchable
      placeholder="Type part of its name"
      nothingFoundMessage={found.isFetching ? "Searching…" : "No device has that name."}
      data={devices.map((one) => ({ value: one.id, label: one.hostname }))}
      filter={({ options }) => options}
      value={value}
      error={error}
      onSearchChange={setTyped}
      onChange={onChange}
    />
  );
};

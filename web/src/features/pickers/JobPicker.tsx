import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { jobQuery, jobsQuery } from "@/api/jobs";

interface JobPickerProps {
  label: string;
  value: number | null;
  error?: string;
  size?: "xs" | "sm";
  onChange: (jobId: number | null) => void;
}

const MOST = 20;

/** One job among any number: found by a part of its name. */
export const JobPicker = ({ label, value, error, size = "xs", onChange }: JobPickerProps) => {
  const [typed, setTyped] = useState("");
  const [q] = useDebouncedValue(typed, 250);
  const chosen = useQuery({ ...jobQuery(value ?? 0), enabled: value !== null }).data;
  const found = useInfiniteQuery({
    ...jobsQuery({ q: q && q !== chosen?.name ? q : undefined, sort: "name" }),
    placeholderData: keepPreviousData,
  });
  const some = (found.data?.pages[0]?.items ?? []).slice(0, MOST).map(({ id, name }) => ({ value: String(id), label: name }));
  const isThere = value === null || some.some((one) => one.value === String(value));
  const data = isThere ? some : [{ value: String(value), label: chosen?.name ?? `Job ${value}` }, ...some];
  return (
    <Select
      size={size}
      w={size === "xs" ? 200 : undefined}
      error={error}
      aria-label={label}
      placeholder={label}
      searchable
      clearable
      // The Engine has searched already.
      filter={({ options }) => options}
      nothingFoundMessage="No job is called so."
      data={data}
      value={value === null ? null : String(value)}
      searchValue={typed}
      onSearchChange={setTyped}
      onChange={(id) => onChange(id === null ? null : Number(id))}
    />
  );
};

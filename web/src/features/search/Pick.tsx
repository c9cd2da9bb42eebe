import { Select } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { jobNamesQuery, Named } from "@/api/search";

interface PickProps {
  label: string;
  /** The one that is chosen; its name may still be being read. */
  chosen: Named | null;
  find: (q: string) => ReturnType<typeof jobNamesQuery>;
  onChange: (id: string | null) => void;
}

/** One of many things, found by a part of its name. */
export const Pick = ({ label, chosen, find, onChange }: PickProps) => {
  const [typed, setTyped] = useState("");
  const [isOpen, setIsOpen] = useState(false);
  const q = typed === chosen?.name ? "" : typed;
  const found = useQuery({ ...find(q), enabled: isOpen, placeholderData: keepPreviousData });
  const options = new Map((found.data ?? []).map((one) => [one.id, one.name]));
  if (chosen) options.set(chosen.id, chosen.name);
  return (
    <Select
      size="xs"
      aria-label={label}
      placeholder={label}
      data={[...options].map(([value, name]) => ({ value, label: name }))}
      value={chosen?.id ?? null}
      onChange={onChange}
      searchable
      clearable
      filter={({ options: all }) => all}
      searchValue={typed}
      onSearchChange={setTyped}
      onDropdownOpen={() => setIsOpen(true)}
      nothingFoundMessage={found.isFetching ? "Reading…" : "None has that in its name."}
      w={180}
    />
  );
};

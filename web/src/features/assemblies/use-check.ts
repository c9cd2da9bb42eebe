import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { checkQuery } from "@/api/assemblies";
import { bodyOf, type Draft } from "./draft";

const PAUSE = 800;

/** What the Engine finds wrong with what is being written, a moment after the last change. */
export const useCheck = (draft: Draft, assemblyId: string | null, enabled: boolean) => {
  const [waited] = useDebouncedValue(draft, PAUSE);
  const asked = useQuery({
    ...checkQuery(assemblyId, { body: bodyOf(waited), texts: waited.texts }),
    enabled: enabled && waited.content.trim() !== "",
    placeholderData: keepPreviousData,
  });
  return {
    problems: (enabled && asked.data?.problems) || [],
    isChecking: enabled && (asked.isFetching || waited !== draft),
    isKnown: enabled && asked.data !== undefined && !asked.error,
    error: enabled ? asked.error : null,
  };
};

import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { type Preview, previewQuery } from "@/api/job-editor";
import { type ApiProblem, asProblem } from "@/api/problem";
import { bodyOf, canonical, type Draft } from "./form";

const REST_MILLISECONDS = 350;

export interface LivePreview {
  data: Preview | undefined;
  error: ApiProblem | null;
  /** The draft has changed since `data` was asked for, or it is being asked for. */
  isBehind: boolean;
}

/** What the Engine says of the draft, asked anew when the hands rest. */
export const usePreview = (draft: Draft, jobId: number | null): LivePreview => {
  const body = useMemo(() => bodyOf(draft), [draft]);
  const [rested] = useDebouncedValue(body, REST_MILLISECONDS);
  const found = useQuery({ ...previewQuery(rested, jobId), placeholderData: keepPreviousData });
  return {
    data: found.data,
    error: found.error ? asProblem(found.error) : null,
    isBehind: found.isFetching || found.isPlaceholderData || canonical(rested) !== canonical(body),
  };
};

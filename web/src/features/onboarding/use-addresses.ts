import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { type AddressCount, addressCountsQuery, addressesQuery, type AddressSource } from "@/api/onboarding";
import { followAddresses } from "@/api/onboarding-following";
import { countOf } from "./address-words";

const NONE: readonly AddressCount[] = [];

/**
 * The addresses of an occurrence, followed while they are shown. A list that rows come into or leave is read anew while nobody is at it;
 * `moved` says by how many it differs meanwhile.
 */
export const useAddresses = (source: AddressSource, isHeld: boolean) => {
  const { jobId, occurrenceId } = source;
  const client = useQueryClient();
  useEffect(() => followAddresses(client, jobId, occurrenceId), [client, jobId, occurrenceId]);
  const head = useQuery(addressCountsQuery(jobId, occurrenceId)).data;
  const query = useInfiniteQuery({ ...addressesQuery(source), placeholderData: keepPreviousData });
  const counts = head?.counts ?? NONE;
  const read = query.data?.pages[0]?.counts;
  const isCounted = head !== undefined && read !== undefined && !source.q && !query.isPlaceholderData;
  const moved = isCounted ? countOf(counts, source) - countOf(read, source) : 0;
  const { refetch } = query;
  useEffect(() => {
    if (moved !== 0 && !isHeld) void refetch();
  }, [moved, isHeld, refetch]);
  return { query, counts, unfinished: head?.unfinished ?? 0, moved };
};

import { useQueries, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { type DeviceRow, isMoving, placesQuery, type RowSource, rowsKey, rowsQuery } from "@/api/runs";
import { pagesOf } from "./pages";

export interface Range {
  first: number;
  last: number;
}

export interface Rows {
  total: number;
  /** undefined: it is being read. */
  at: (place: number) => DeviceRow | undefined;
  isPending: boolean;
  error: Error | null;
  refetch: () => void;
}

/** While one scrolls past pages they are not asked for. */
const REST_MILLISECONDS = 80;

/** Device rows by their place, of which those in `range` are read and followed. */
export const useRows = (source: RowSource, range: Range): Rows => {
  const client = useQueryClient();
  const places = useQuery(placesQuery(source));
  const reading = places.dataUpdatedAt;
  const before = useBefore(reading);
  const total = places.data?.total ?? 0;
  const every = places.data?.every ?? 1;
  const pages = useRested(pagesOf(range.first, range.last, every, total)).filter((page) => page * every < total);
  const found = useQueries({
    queries: places.data ? pages.map((page) => rowsQuery(client, source, reading, page, places.data)) : [],
  });
  // Also what makes this anew whenever one of them has come.
  const read = new Map(pages.map((page, step) => [page, found[step]?.data]));
  const known = (which: number, place: number): DeviceRow | undefined =>
    client.getQueryData<DeviceRow[]>(rowsKey(source, which, Math.floor(place / every)))?.[place % every];
  return {
    total,
    at: (place) => read.get(Math.floor(place / every))?.[place % every] ?? known(reading, place) ?? known(before, place),
    isPending: places.isPending,
    error: places.error ?? found.find((one) => one.error)?.error ?? null,
    refetch: () => void places.refetch(),
  };
};

/** What a value was before it was what it is: rows of a reading stay until those of the next are there. */
const useBefore = (value: number): number => {
  const [known, setKnown] = useState({ value, before: 0 });
  if (known.value !== value) setKnown({ value, before: known.value });
  return known.value === value ? known.before : known.value;
};

/** The pages, at once where one is next to those before, else after a short rest. */
const useRested = (wanted: readonly number[]): readonly number[] => {
  const [rested, setRested] = useState(wanted);
  const told = wanted.join();
  const isNear =
    rested.length === 0 || wanted.some((page) => rested.includes(page) || rested.includes(page - 1) || rested.includes(page + 1));
  useEffect(() => {
    const pages = told === "" ? [] : told.split(",").map(Number);
    const timer = setTimeout(() => setRested(pages), isNear ? 0 : REST_MILLISECONDS);
    return () => clearTimeout(timer);
  }, [told, isNear]);
  return rested;
};

/** How many rows are in a moving list now, as the head's counts say; null where that cannot be told. */
export const countNow = (source: RowSource, counts: Readonly<Record<string, number>>): number | null =>
  isMoving(source) && source.state.length > 0 && source.verdict.length === 0 && !source.q && source.output === null
    ? source.state.reduce((sum, state) => sum + (counts[state] ?? 0), 0)
    : null;

import { notifications } from "@mantine/notifications";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { showProblem } from "@/api/query";
import { asProblem } from "@/api/problem";
import {
  type DeviceRow,
  FAILED,
  findPlace,
  firstRowQuery,
  isMoving,
  type Occurrence,
  placeQuery,
  rowQuery,
  type RowSource,
} from "@/api/runs";
import { followRun } from "@/api/run-following";
import { countNow, type Rows } from "./use-rows";

/** Follow the events of an occurrence while its page is there. */
export const useFollowed = (jobId: number, occurrenceId: string | null): void => {
  const client = useQueryClient();
  useEffect(() => followRun(client, jobId, occurrenceId), [client, jobId, occurrenceId]);
};

const EVERYTHING = { state: [], verdict: [], q: "", output: null } as const;

export interface Shown {
  row: DeviceRow | null;
  /** Nobody chose it: it is the first that failed. */
  isFirstFailure: boolean;
}

/** The row whose output is shown: the chosen one; else the first that failed; else the only one there is. */
export const useShownRow = (one: Occurrence, target: number | null): Shown => {
  const failed = FAILED.reduce((sum, state) => sum + (one.counts[state] ?? 0), 0);
  const all: RowSource = { jobId: one.job_id, occurrenceId: one.id, ...EVERYTHING };
  const number = Object.values(one.counts).reduce((sum, count) => sum + count, 0);
  const first = useQuery({ ...placeQuery(all, null, "next"), enabled: target === null && failed > 0 }).data;
  const isOnly = target === null && number === 1;
  const only = useQuery({ ...firstRowQuery(all), enabled: isOnly }).data;
  const id = target ?? (failed > 0 ? first?.targetId : undefined) ?? (isOnly ? only : undefined);
  const row = useQuery(rowQuery(one.job_id, one.id, id ?? null)).data ?? null;
  return { row, isFirstFailure: target === null && failed > 0 && number > 1 };
};

/** Go to rows by their place: that of the address once, then those that are asked for. */
export const useGoTo = (source: RowSource, target: number | null, onFound: (targetId: number) => void) => {
  const [begin] = useState(target);
  const [asked, setAsked] = useState<{ place: number } | null>(null);
  const first = useQuery({ ...placeQuery(source, begin, "here"), enabled: begin !== null }).data ?? null;
  const running = useRef<Promise<number | null> | null>(null);
  const find = async (from: number | null, step: "next" | "previous"): Promise<number | null> => {
    try {
      // Round the end of the list.
      const found = (await findPlace(source, from, step)) ?? (from === null ? null : await findPlace(source, null, step));
      if (found) {
        setAsked({ place: found.place });
        onFound(found.targetId);
      } else notifications.show({ message: "No device of this list has failed." });
      return found?.targetId ?? from;
    } catch (error) {
      showProblem(asProblem(error));
      return from;
    }
  };
  /** Pressed again before the last was found, it goes on from there. */
  const nextFailed = (from: number | null, step: "next" | "previous"): void => {
    const mine = (running.current ?? Promise.resolve(from)).then((at) => find(at, step));
    running.current = mine;
    void mine.then(() => {
      if (running.current === mine) running.current = null;
    });
  };
  return { goTo: asked ?? first, nextFailed };
};

/** Of a list whose rows come and go: how many more or fewer there are by now. It is read anew while nobody is at it. */
export const useMoved = (source: RowSource, one: Occurrence, rows: Rows, isHeld: boolean): number => {
  const now = countNow(source, one.counts);
  const moved = isMoving(source) && now !== null && !rows.isPending ? now - rows.total : 0;
  const { refetch } = rows;
  useEffect(() => {
    if (moved !== 0 && !isHeld) refetch();
  }, [moved, isHeld]); // eslint-disable-line react-hooks/exhaustive-deps -- only what has moved asks for it
  return moved;
};

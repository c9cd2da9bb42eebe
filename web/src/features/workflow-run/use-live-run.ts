import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { followWorkflowRun, followWorkflowRuns, readRows } from "@/api/workflow-following";
import { runsKey } from "@/api/workflow-runs";

export interface LiveRun {
  /** Rows come and go while somebody is at them: they are read anew afterwards, or when asked. */
  hold: (isHeld: boolean) => void;
  showNew: (() => void) | null;
}

/** Follow a run while its page is there. `isMoving`: rows come and go, as they are narrowed down by their state. */
export const useLiveRun = (runId: number, isMoving: boolean): LiveRun => {
  const client = useQueryClient();
  const held = useRef(false);
  const moving = useRef(isMoving);
  const [isStale, setStale] = useState(false);
  useEffect(() => {
    moving.current = isMoving;
  });
  const show = useCallback(() => {
    setStale(false);
    readRows(client, runId);
  }, [client, runId]);
  useEffect(
    () =>
      followWorkflowRun(client, runId, () => {
        if (held.current && moving.current) setStale(true);
        else readRows(client, runId);
      }),
    [client, runId],
  );
  const hold = (isHeld: boolean): void => {
    held.current = isHeld;
    if (!isHeld && isStale) show();
  };
  return { hold, showNew: isStale ? show : null };
};

/** Follow the runs of a workflow; how many began since the list was read, and how to show them. */
export const useLiveRuns = (workflowId: string | null): { fresh: number; show: () => void } => {
  const client = useQueryClient();
  const [ids, setIds] = useState<ReadonlySet<number>>(new Set());
  useEffect(
    () =>
      followWorkflowRuns(client, workflowId, (id) => setIds((before) => (before.has(id) ? before : new Set([...before, id])))),
    [client, workflowId],
  );
  const show = (): void => {
    setIds(new Set());
    void client.invalidateQueries({ queryKey: runsKey() });
  };
  return { fresh: ids.size, show };
};

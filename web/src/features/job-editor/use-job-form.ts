import { useCallback, useState } from "react";
import type { Draft, Duration, Policies, ScheduleDraft } from "./form";

/** The draft under one's hands, and how parts of it are changed. */
export interface JobForm {
  draft: Draft;
  set: (patch: Partial<Draft>) => void;
  schedule: (patch: Partial<ScheduleDraft>) => void;
  policies: (patch: Partial<Policies>) => void;
  duration: (patch: Partial<Duration>) => void;
  /** What is wrong with exactly this field; `deep`: or with parts of it. */
  fault: (path: string, deep?: boolean) => string | undefined;
}

export type Editing = Omit<JobForm, "fault">;

export const useDraft = (first: Draft): Editing => {
  const [draft, setDraft] = useState(first);
  const set = useCallback((patch: Partial<Draft>) => setDraft((now) => ({ ...now, ...patch })), []);
  const schedule = useCallback(
    (patch: Partial<ScheduleDraft>) => setDraft((now) => ({ ...now, schedule: { ...now.schedule, ...patch } })),
    [],
  );
  const policies = useCallback(
    (patch: Partial<Policies>) => setDraft((now) => ({ ...now, policies: { ...now.policies, ...patch } })),
    [],
  );
  const duration = useCallback(
    (patch: Partial<Duration>) => setDraft((now) => ({ ...now, duration: { ...now.duration, ...patch } })),
    [],
  );
  return { draft, set, schedule, policies, duration };
};

/** A number field of Mantine tells a text while it is empty. */
export const asNumber = (value: number | string): number | null => (typeof value === "number" ? value : null);

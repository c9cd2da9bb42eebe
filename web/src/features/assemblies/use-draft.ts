import { useMemo, useState } from "react";
import type { Assembly } from "@/api/assemblies";
import { type Draft, draftOf, isSame, newDraft } from "./draft";

/** What is being written, what it began from, and what somebody else saved meanwhile. */
export const useDraft = (saved: Assembly | null, initial: Draft) => {
  const [base, setBase] = useState(saved);
  const [draft, setDraft] = useState(initial);
  const clean = useMemo(() => (base ? draftOf(base) : newDraft(initial.kind)), [base, initial.kind]);
  const isDirty = !isSame(draft, clean);
  const isOld = saved !== null && base !== null && saved.revision > base.revision;
  const take = (other: Assembly): void => {
    setBase(other);
    setDraft(draftOf(other));
  };
  if (isOld && !isDirty) take(saved); // nothing of one's own is lost
  return {
    base,
    draft,
    isDirty,
    /** A newer revision than the one that the changes began from. */
    theirs: isOld && isDirty ? saved : null,
    set: (patch: Partial<Draft>) => setDraft((before) => ({ ...before, ...patch })),
    load: setDraft,
    /** Go on from another revision: without one's own changes, or with them on top of it. */
    take,
    keepOver: setBase,
    wasSaved: (sent: Draft, reply: Assembly) => {
      setBase(reply);
      setDraft((now) => (isSame(now, sent) ? draftOf(reply) : now));
    },
    undo: () => setDraft(clean),
  };
};

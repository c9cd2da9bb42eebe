import { useState } from "react";
import type { WorkflowDocument } from "./document";
import { type History, newHistory, noted, redone, undone } from "./history";

interface Controlled {
  doc: WorkflowDocument;
  isReadOnly: boolean;
  onChange: (next: WorkflowDocument) => void;
}

/** Changes of the document, and the way back and forth among them. */
export const useEditor = ({ doc, isReadOnly, onChange }: Controlled) => {
  const [history, setHistory] = useState<History<WorkflowDocument>>(newHistory);
  const step = (to: ReturnType<typeof undone<WorkflowDocument>>): void => {
    if (!to || isReadOnly) return;
    setHistory(to.history);
    onChange(to.value);
  };
  return {
    apply: (next: WorkflowDocument, kind?: string): void => {
      if (next === doc || isReadOnly) return;
      setHistory((before) => noted(before, doc, kind ?? null, performance.now()));
      onChange(next);
    },
    undo: () => step(undone(history, doc)),
    redo: () => step(redone(history, doc)),
    canUndo: history.past.length > 0 && !isReadOnly,
    canRedo: history.future.length > 0 && !isReadOnly,
  };
};

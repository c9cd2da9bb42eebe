import { createContext, useContext } from "react";
import type { WorkflowDocument } from "./document";

/** What the parts of the editor know of the workflow, and how they change it. */

export interface Fault {
  field: string;
  message: string;
  /** The node that it is about; null: the workflow. */
  node: string | null;
}

export interface Parameter {
  name: string;
  type: string;
}

export interface EditorApi {
  assemblyId: string | null;
  doc: WorkflowDocument;
  isReadOnly: boolean;
  parameters: readonly Parameter[];
  faults: readonly Fault[];
  /** `kind`: changes of one kind in quick succession are undone together. */
  apply: (next: WorkflowDocument, kind?: string) => void;
  /** Select these, and show them if they are out of sight. */
  select: (nodes: readonly string[], edges?: readonly string[]) => void;
  goTo: (node: string) => void;
}

export const EditorContext = createContext<EditorApi | null>(null);

export const useEditorApi = (): EditorApi => {
  const api = useContext(EditorContext);
  if (!api) throw new Error("a part of the editor stands outside of it");
  return api;
};

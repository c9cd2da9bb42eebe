import { type ComponentType, createContext, type ReactNode, useContext } from "react";
import type { AssemblyBody } from "@/api/assemblies";
import type { FieldProblem } from "@/api/problem";

/** What a workflow is edited and compared with: another feature, which a page brings. */
export interface WorkflowParts {
  Editor: ComponentType<{
    assemblyId: string | null;
    body: AssemblyBody;
    isReadOnly: boolean;
    errorOf: (field: string) => string | undefined;
    refused: readonly FieldProblem[];
    onChange: (patch: { name?: string; description?: string; workflow?: unknown }) => void;
    /** The form of what it declares. */
    parameters: ReactNode;
  }>;
  Diff: ComponentType<{ before: unknown; after: unknown; labels: readonly [string, string] }>;
}

export const WorkflowPartsContext = createContext<WorkflowParts | null>(null);

export const useWorkflowParts = (): WorkflowParts => {
  const parts = useContext(WorkflowPartsContext);
  if (!parts) throw new Error("a page of assemblies brings no parts for workflows");
  return parts;
};

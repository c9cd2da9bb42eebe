import { Loader } from "@mantine/core";
import { Suspense } from "react";
import type { Assembly } from "@/api/assemblies";
import type { FieldProblem } from "@/api/problem";
import { bodyOf, type Draft } from "./draft";
import { VariablesEditor } from "./VariablesEditor";
import { useWorkflowParts } from "./workflow-parts";

interface WorkflowFormProps {
  draft: Draft;
  saved: Assembly | null;
  isReadOnly: boolean;
  errorOf: (field: string) => string | undefined;
  refused: readonly FieldProblem[];
  onChange: (patch: Partial<Draft>) => void;
}

/** A workflow in place of the form that other kinds have. */
export const WorkflowForm = ({ draft, saved, isReadOnly, errorOf, refused, onChange }: WorkflowFormProps) => {
  const { Editor } = useWorkflowParts();
  return (
    <Suspense fallback={<Loader size="sm" aria-label="Loading the editor of workflows" />}>
      <Editor
        assemblyId={saved?.id ?? null}
        body={bodyOf(draft)}
        isReadOnly={isReadOnly}
        errorOf={errorOf}
        refused={refused}
        onChange={onChange}
        parameters={
          <VariablesEditor
            kind="workflow"
            variables={draft.variables}
            isReadOnly={isReadOnly}
            errorOf={errorOf}
            onChange={(variables) => onChange({ variables })}
          />
        }
      />
    </Suspense>
  );
};

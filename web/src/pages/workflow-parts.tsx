import { lazy } from "react";
import { WorkflowPartsContext } from "@/features/assemblies/workflow-parts";
import { DevicePicker } from "@/features/pickers/DevicePicker";
import type { WorkflowEditorProps } from "@/features/workflow-editor/WorkflowEditor";
import type { ReactNode } from "react";

// Its machinery is loaded with the first workflow that is opened.
const Editor = lazy(async () => {
  const { WorkflowEditor } = await import("@/features/workflow-editor/WorkflowEditor");
  return {
    default: (props: Omit<WorkflowEditorProps, "DevicePicker">) => <WorkflowEditor {...props} DevicePicker={DevicePicker} />,
  };
});
const Diff = lazy(async () => ({
  default: (await import("@/features/workflow-editor/WorkflowDiffView")).WorkflowDiffView,
}));

const PARTS = { Editor, Diff };

/** Lets the pages of assemblies edit and compare workflows. */
export const WithWorkflows = ({ children }: { children: ReactNode }) => (
  <WorkflowPartsContext value={PARTS}>{children}</WorkflowPartsContext>
);

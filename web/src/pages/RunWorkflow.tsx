import { Button } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "@/api/session";
import { LaunchDialog } from "@/features/workflow-run/LaunchDialog";
import { paths } from "@/lib/paths";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";

interface Workflow {
  id: string;
  name: string;
  archived_at?: string | null;
}

/** Whether an assembly is a workflow. */
export const isWorkflow = (assembly: { kind: string }): boolean => assembly.kind === "workflow";

/** Why a workflow cannot be started; null where it can. */
const useRefusal = (workflow: Workflow): string | null => {
  const may = useMay("jobs:run");
  return workflow.archived_at ? "It is archived. Bring it back into use to run it." : may.reason;
};

const useLaunch = (workflow: Workflow) => {
  const [isAsked, setAsked] = useState(false);
  const navigate = useNavigate();
  const dialog = isAsked && (
    <LaunchDialog
      workflow={workflow}
      onClose={() => setAsked(false)}
      onStarted={(run) => {
        setAsked(false);
        void navigate({ to: paths.workflowRun(run.id) });
      }}
    />
  );
  return { ask: () => setAsked(true), dialog };
};

/** Run a workflow now; asks for its parameters first. */
export const RunWorkflowButton = ({ workflow }: { workflow: Workflow }) => {
  const reason = useRefusal(workflow);
  const { ask, dialog } = useLaunch(workflow);
  return (
    <>
      <span title={reason ?? undefined}>
        <Button disabled={reason !== null} leftSection={<Icon name="run" size={14} />} onClick={ask}>
          Run now…
        </Button>
      </span>
      {dialog}
    </>
  );
};

/** The same in a row of a list. */
export const RunWorkflowAction = ({ workflow }: { workflow: Workflow }) => {
  const reason = useRefusal(workflow);
  const { ask, dialog } = useLaunch(workflow);
  return (
    <>
      <IconAction label={`Run ${workflow.name}`} icon="run" reason={reason} onClick={ask} />
      {dialog}
    </>
  );
};

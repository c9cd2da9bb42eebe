import { Button, Group, Loader, Modal, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { assemblyQuery } from "@/api/assemblies";
import { useLaunchWorkflow } from "@/api/workflow-runs";
import type { WorkflowRunBrief } from "@/api/workflow-types";
import { refusedAt } from "@/lib/refusals";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { ParameterField } from "./ParameterField";
import { lacking, promptable, type Values, withValue } from "./parameters";

interface LaunchDialogProps {
  workflow: { id: string; name: string };
  onStarted: (run: WorkflowRunBrief) => void;
  onClose: () => void;
}

/** Run a workflow now, with its parameters as they are asked for. */
export const LaunchDialog = ({ workflow, onStarted, onClose }: LaunchDialogProps) => {
  const assembly = useQuery(assemblyQuery(workflow.id));
  const launch = useLaunchWorkflow(onStarted);
  const [values, setValues] = useState<Values>({});
  const declared = assembly.data?.variables ?? [];
  const asked = promptable(declared);
  const missing = lacking(declared, values);
  const reason = missing.length ? `Give ${missing.join(", ")} first.` : null;
  const errorOf = refusedAt(launch.error);
  return (
    <Modal opened onClose={onClose} title={`Run “${workflow.name}” now`} closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!reason) launch.mutate({ workflowId: workflow.id, workflowName: workflow.name, parameters: values });
        }}
      >
        <Stack gap="sm">
          {assembly.isPending && <Loader size="sm" aria-label="Reading the workflow" />}
          <ProblemAlert problem={assembly.error} onRetry={() => void assembly.refetch()} />
          {assembly.data && (
            <Text size="sm" c="dimmed">
              Revision {assembly.data.revision}
              {asked.length === 0 ? " asks for no parameters." : ". What is left empty is as the workflow says."}
            </Text>
          )}
          {asked.map((one) => (
            <ParameterField
              key={one.name}
              parameter={one}
              value={values[one.name]}
              error={errorOf(`parameters.${one.name}`)}
              onChange={(value) => setValues((before) => withValue(before, one.name, value))}
            />
          ))}
          <ProblemAlert problem={launch.error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button
              type="submit"
              loading={launch.isPending}
              disabled={reason !== null || !assembly.data}
              title={reason ?? undefined}
            >
              Run now
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

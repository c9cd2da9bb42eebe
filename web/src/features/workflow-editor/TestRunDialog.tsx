import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { type ComponentType, useState } from "react";
import type { AssemblyBody, DeclaredVariable } from "@/api/assemblies";
import { useTestRun } from "@/api/workflow-editor";
import { paths } from "@/lib/paths";
import { refusedAt } from "@/lib/refusals";
import { AppLink } from "@/ui/AppLink";
import { ProblemAlert } from "@/ui/ProblemAlert";
import classes from "./editor.module.css";
import { Literal } from "./forms/ValuesForm";

export type DevicePickerType = ComponentType<{
  label: string;
  isLabelled?: boolean;
  value: string | null;
  onChange: (deviceId: string | null) => void;
}>;

interface TestRunDialogProps {
  assemblyId: string;
  definition: AssemblyBody;
  parameters: readonly DeclaredVariable[];
  DevicePicker: DevicePickerType;
  onClose: () => void;
}

/** What is being written, run on one device as it stands; nothing is saved. */
export const TestRunDialog = ({ assemblyId, definition, parameters, DevicePicker, onClose }: TestRunDialogProps) => {
  const navigate = useNavigate();
  const [device, setDevice] = useState<string | null>(null);
  const [values, setValues] = useState<Readonly<Record<string, string | number | boolean>>>({});
  // What is not saved is asked for before one leaves; who stays has the way there below.
  const start = useTestRun((run) => void navigate({ to: paths.workflowRun(run.id) }));
  const fault = refusedAt(start.error);
  return (
    <Modal opened onClose={onClose} title="Test run on one device" closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (device) start.mutate({ assemblyId, definition, deviceId: device, parameters: values });
        }}
      >
        <Stack gap="sm">
          <Text size="sm">
            The workflow runs as it stands here, and every set of devices in it is this device or empty. Nothing is saved.
            Requests and messages are sent.
          </Text>
          <DevicePicker label="Device" isLabelled value={device} onChange={setDevice} />
          {parameters.map((one) => (
            <Literal
              key={one.name}
              variable={one}
              value={values[one.name]}
              error={fault(`parameters.${one.name}`)}
              isReadOnly={false}
              onChange={(value) => {
                const rest = Object.entries(values).filter(([name]) => name !== one.name);
                setValues(Object.fromEntries(value === undefined ? rest : [...rest, [one.name, value]]));
              }}
            />
          ))}
          <ProblemAlert problem={start.error} />
          {start.data && (
            <Text size="sm" role="status">
              The test run has begun.{" "}
              <AppLink to={paths.workflowRun(start.data.id)} className={classes.small} target="_blank">
                Watch it in another tab
              </AppLink>
            </Text>
          )}
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={start.isPending} disabled={!device}>
              Run on this device
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

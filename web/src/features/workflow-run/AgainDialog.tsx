import { Button, Checkbox, Group, Modal, Stack } from "@mantine/core";
import { useState } from "react";
import { useResumeWorkflowRun } from "@/api/workflow-runs";
import type { WorkflowRun, WorkflowRunBrief } from "@/api/workflow-types";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { StateBadge } from "@/ui/StateBadge";
import { planOf, usualFrom } from "./again";
import classes from "./workflow-run.module.css";

interface AgainDialogProps {
  run: WorkflowRun;
  /** The node to go on from; null: from what failed. */
  from: string | null;
  onStarted: (run: WorkflowRunBrief) => void;
  onClose: () => void;
}

/** Run a workflow again from some of its nodes: says of each node whether it runs again or what it gave is kept. */
export const AgainDialog = ({ run, from, onStarted, onClose }: AgainDialogProps) => {
  const usual = from === null ? usualFrom(run) : [from];
  const [chosen, setChosen] = useState<readonly string[]>(usual);
  const resume = useResumeWorkflowRun(onStarted);
  const plan = planOf(run, chosen);
  const states = new Map(run.nodes.map((one) => [one.node_id, one.state]));
  const nameOf = (id: string): string => run.definition.nodes.find((one) => one.id === id)?.name ?? id;
  const toggle = (id: string, isOn: boolean): void =>
    setChosen((before) => (isOn ? [...before, id] : before.filter((one) => one !== id)));
  const reason = chosen.length === 0 ? "Choose a node to go on from." : null;
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={from === null ? "Run again from what failed" : `Run again from “${nameOf(from)}”`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!reason) resume.mutate({ id: run.id, workflow_name: run.workflow_name, from: chosen });
        }}
      >
        <Stack gap="sm">
          <div>
            A further run of “{run.workflow_name}”, revision {run.revision}, begins with what this one has. Nodes that went well
            and do not depend on what runs again are not repeated.
          </div>
          {usual.length > 1 && (
            <fieldset className={classes.fieldset}>
              <legend>Go on from</legend>
              {usual.map((id) => (
                <Checkbox
                  key={id}
                  size="sm"
                  checked={chosen.includes(id)}
                  onChange={(event) => toggle(id, event.currentTarget.checked)}
                  label={
                    <>
                      {nameOf(id)} <StateBadge state={states.get(id) ?? "pending"} plain />
                    </>
                  }
                />
              ))}
            </fieldset>
          )}
          <div className={classes.plan}>
            <Names title={`Runs again · ${plan.again.length}`} ids={plan.again} nameOf={nameOf} none="Nothing." />
            <Names title={`Kept · ${plan.kept.length}`} ids={plan.kept} nameOf={nameOf} none="Nothing is kept." />
          </div>
          <ProblemAlert problem={resume.error} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={resume.isPending} disabled={reason !== null} title={reason ?? undefined}>
              Run again
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

interface NamesProps {
  title: string;
  ids: readonly string[];
  nameOf: (id: string) => string;
  none: string;
}

const Names = ({ title, ids, nameOf, none }: NamesProps) => (
  <section aria-label={title}>
    <h3 className={classes.small}>{title}</h3>
    {ids.length === 0 ? (
      <p className={classes.note}>{none}</p>
    ) : (
      <ul className={classes.names}>
        {ids.map((id) => (
          <li key={id}>{nameOf(id)}</li>
        ))}
      </ul>
    )}
  </section>
);

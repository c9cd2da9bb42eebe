import { Button, Checkbox, Switch } from "@mantine/core";
import { useState } from "react";
import type { FieldProblem } from "@/api/problem";
import { Icon } from "@/ui/icons";
import { ComponentCard } from "./ComponentCard";
import { CountInput, DurationInput } from "./fields";
import { addedComponent, type ComponentDraft, withComponents } from "./form";
import classes from "./job-editor.module.css";
import { AssemblyPicker } from "./pickers";
import { RETRIED } from "./policy-words";
import { Section } from "./Section";
import { Fault } from "./TargetsSection";
import type { JobForm } from "./use-job-form";
import { launchesWorkflow, standingAlone } from "./workflow-form";

/** What runs on each device: one assembly after the other, with their variables, and what a failure means. */
export const AssembliesSection = ({ form, problems }: { form: JobForm; problems: readonly FieldProblem[] }) => {
  const { draft, set, fault } = form;
  const [isPicking, setPicking] = useState(false);
  const setAll = (components: readonly ComponentDraft[]): void => set(withComponents(components, draft.execution_context));
  const put = (at: number, one: ComponentDraft): void =>
    setAll(draft.components.map((other, place) => (place === at ? one : other)));
  const move = (at: number, step: number): void => {
    const next = [...draft.components];
    const [one] = next.splice(at, 1);
    if (one) next.splice(at + step, 0, one);
    setAll(next);
  };
  const isWorkflow = launchesWorkflow(draft);
  return (
    <Section
      id="assemblies"
      title={isWorkflow ? "Workflow" : undefined}
      problems={problems}
      about={isWorkflow ? "It is launched as a whole, and alone." : "They run on each device in this order, one after the other."}
    >
      {draft.components.map((one, at) => (
        <ComponentCard
          key={one.key}
          component={one}
          place={at}
          count={draft.components.length}
          fault={fault}
          onChange={(next) => put(at, next)}
          onMove={(step) => move(at, step)}
          onRemove={() => setAll(draft.components.filter((_, place) => place !== at))}
        />
      ))}
      <Fault text={fault("components")} />
      <div>
        <Button variant="default" leftSection={<Icon name="add" size={14} />} onClick={() => setPicking(true)}>
          {isWorkflow ? "Choose another…" : "Add assemblies…"}
        </Button>
      </div>
      {draft.components.length > 1 && (
        <Switch
          label="Go on after a failure"
          description={
            draft.policies.continue_on_failure
              ? "What comes after a failure runs all the same."
              : "What comes after a failure is left out on that device."
          }
          checked={draft.policies.continue_on_failure}
          onChange={(event) => form.policies({ continue_on_failure: event.currentTarget.checked })}
          error={fault("policies.continue_on_failure")}
        />
      )}
      {!isWorkflow && <Retries form={form} />}
      {isPicking && (
        <AssemblyPicker
          title={isWorkflow ? "Choose another workflow, or assemblies" : "Add assemblies"}
          onChoose={(chosen) => setAll(standingAlone(draft.components, chosen.map(addedComponent)))}
          onClose={() => setPicking(false)}
        />
      )}
    </Section>
  );
};

const Retries = ({ form }: { form: JobForm }) => {
  const { policies, draft, fault } = form;
  const { retries, retry_delay_seconds, retry_on } = draft.policies;
  return (
    <div className={classes.triple}>
      <CountInput
        label="Retries"
        description={retries ? "From the component that went wrong on." : "What goes wrong on a device is not tried again."}
        value={retries}
        onChange={(number) => policies({ retries: number ?? 0 })}
        error={fault("policies.retries")}
      />
      {retries > 0 && (
        <>
          <DurationInput
            label="Pause before a retry"
            value={retry_delay_seconds}
            onChange={(seconds) => policies({ retry_delay_seconds: seconds ?? 60 })}
            error={fault("policies.retry_delay_seconds")}
          />
          <Checkbox.Group
            label="Tried again is what"
            value={[...retry_on]}
            onChange={(chosen) => policies({ retry_on: RETRIED.map((one) => one.value).filter((one) => chosen.includes(one)) })}
            error={fault("policies.retry_on", true)}
          >
            <div className={classes.checks}>
              {RETRIED.map((one) => (
                <Checkbox key={one.value} size="xs" value={one.value} label={one.label} />
              ))}
            </div>
          </Checkbox.Group>
        </>
      )}
    </div>
  );
};

import { Button, Checkbox, Group, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { Icon } from "@/ui/icons";
import { changed, renamed, without } from "./edit";
import { Connections } from "./Connections";
import { isId, isStep, type Settings, type WorkflowNode } from "./document";
import classes from "./editor.module.css";
import { useEditorApi } from "./editor-context";
import { Count, Time } from "./fields";
import { ApprovalForm, ConditionForm, JoinForm, ValueForm, WaitForm } from "./forms/DecideForms";
import { CombineForm, DevicesForm, FilterForm, SiteForm, SplitForm, TakeForm } from "./forms/DeviceForms";
import type { FormProps } from "./forms/form";
import { PlaybookForm, ScriptForm, WorkflowForm } from "./forms/RunForms";
import { HttpForm, NotifyForm, WebhookForm } from "./forms/TellForms";
import { kindOfType } from "./kinds";

/** `settings.seconds` of the problems that speak of a node, whatever stands before it. */
const isAbout = (field: string, part: string): boolean => {
  const at = field.lastIndexOf(part);
  const before = field[at - 1];
  const after = field[at + part.length];
  return at >= 0 && (before === undefined || before === ".") && (after === undefined || after === ".");
};

const sentence = (text: string): string => `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** All that can be said of one node. */
export const NodePanel = ({ node, onClose }: { node: WorkflowNode; onClose: () => void }) => {
  const { doc, faults, isReadOnly, apply } = useEditorApi();
  const own = faults.filter((one) => one.node === node.id);
  const wrong = (part: string): string | undefined =>
    own
      .filter((one) => isAbout(one.field, part))
      .map((one) => sentence(one.message))
      .join(" ") || undefined;
  const kind = kindOfType(node.type);
  const put = (patch: Partial<WorkflowNode>, field: string): void => apply(changed(doc, node.id, patch), `${node.id}.${field}`);
  const set = (patch: Settings): void => {
    const all = { ...node.settings, ...patch };
    const settings = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
    put({ settings }, Object.keys(patch).join());
  };
  return (
    <div className={classes.stack}>
      <div className={classes.panelHead}>
        <Icon name={kind.icon} size={18} />
        <h2>{kind.label}</h2>
        <span className={classes.dim}>{kind.about}</span>
      </div>
      {own.length > 0 && (
        <ul className={classes.faults} aria-label="What is wrong with it">
          {own.map((one) => (
            <li key={`${one.field} ${one.message}`}>{sentence(one.message)}</li>
          ))}
        </ul>
      )}
      <TextInput
        label="Name"
        maxLength={200}
        value={node.name}
        error={wrong("name")}
        readOnly={isReadOnly}
        onChange={(event) => put({ name: event.currentTarget.value }, "name")}
      />
      <IdField key={node.id} node={node} />
      <SettingsForm node={node} isReadOnly={isReadOnly} fault={(field) => wrong(`settings.${field}`)} set={set} />
      {isStep(node.type) && <StepFields node={node} wrong={wrong} put={put} />}
      <Connections node={node} />
      {!isReadOnly && (
        <Group gap="xs" mt="xs">
          <Button
            variant="default"
            leftSection={<Icon name="delete" size={14} />}
            onClick={() => {
              onClose();
              apply(without(doc, new Set([node.id])));
            }}
          >
            Delete node
          </Button>
        </Group>
      )}
    </div>
  );
};

/** What expressions and the API call the node. Changed once it is left, so that no half of a name is anywhere. */
const IdField = ({ node }: { node: WorkflowNode }) => {
  const { doc, isReadOnly, apply, select } = useEditorApi();
  const [typed, setTyped] = useState(node.id);
  const isTaken = typed !== node.id && doc.nodes.some((one) => one.id === typed);
  const error = isTaken
    ? "Another node has this id."
    : isId(typed)
      ? undefined
      : "A small letter, then small letters, digits and _, at most 40.";
  return (
    <TextInput
      label="Id"
      description="What expressions call it. They follow when it changes."
      value={typed}
      error={error}
      readOnly={isReadOnly}
      spellCheck={false}
      classNames={{ input: classes.code }}
      onChange={(event) => setTyped(event.currentTarget.value)}
      onBlur={() => {
        if (error || typed === node.id) return;
        apply(renamed(doc, node.id, typed));
        select([typed]);
      }}
    />
  );
};

const SettingsForm = (props: FormProps) => {
  const { parameters } = useEditorApi();
  switch (props.node.type) {
    case "devices_filter":
      return <FilterForm {...props} />;
    case "devices_list":
      return <DevicesForm {...props} />;
    case "devices_site":
      return <SiteForm {...props} />;
    case "devices_combine":
      return <CombineForm {...props} />;
    case "devices_take":
      return <TakeForm {...props} />;
    case "split":
      return <SplitForm />;
    case "script":
      return <ScriptForm {...props} />;
    case "playbook":
      return <PlaybookForm {...props} />;
    case "workflow":
      return <WorkflowForm {...props} />;
    case "condition":
      return <ConditionForm {...props} />;
    case "wait":
      return <WaitForm {...props} />;
    case "approval":
      return <ApprovalForm {...props} />;
    case "http":
      return <HttpForm {...props} />;
    case "notify":
      return <NotifyForm {...props} />;
    case "set_value":
      return <ValueForm {...props} />;
    case "join":
      return <JoinForm {...props} />;
    case "trigger_webhook":
      return <WebhookForm {...props} parameters={parameters.map((one) => one.name)} />;
    case "trigger_manual":
    case "trigger_job":
      return (
        <Text size="sm" c="dimmed">
          It has no settings. Parameters are given by who runs it.
        </Text>
      );
  }
};

interface StepFieldsProps {
  node: WorkflowNode;
  wrong: (part: string) => string | undefined;
  put: (patch: Partial<WorkflowNode>, field: string) => void;
}

/** What every step has: how long, how often, and what a failure means. */
const StepFields = ({ node, wrong, put }: StepFieldsProps) => {
  const { isReadOnly } = useEditorApi();
  return (
    <details
      className={classes.details}
      open={node.retries > 0 || node.on_error === "continue" || node.time_limit_seconds !== null}
    >
      <summary>When it fails, and how long it may take</summary>
      <div className={classes.stack}>
        <Checkbox
          label="Go on if it fails"
          description={
            node.on_error === "continue"
              ? "A failure that no edge takes care of is a warning of the workflow."
              : "A failure that no edge takes care of ends the workflow as failed."
          }
          checked={node.on_error === "continue"}
          disabled={isReadOnly}
          onChange={(event) => put({ on_error: event.currentTarget.checked ? "continue" : "stop" }, "on_error")}
        />
        <Time
          label="Time limit"
          description="From its start, with all its tries."
          placeholder="none of its own"
          value={node.time_limit_seconds}
          error={wrong("time_limit_seconds")}
          isReadOnly={isReadOnly}
          onChange={(time_limit_seconds) => put({ time_limit_seconds }, "time_limit_seconds")}
        />
        <Count
          label="Tried again"
          description="The whole node, for what did not succeed."
          suffix=" times"
          value={node.retries}
          error={wrong("retries")}
          isReadOnly={isReadOnly}
          onChange={(retries) => put({ retries: retries ?? 0 }, "retries")}
        />
        {node.retries > 0 && (
          <Time
            label="Pause before each"
            value={node.retry_delay_seconds}
            error={wrong("retry_delay_seconds")}
            isReadOnly={isReadOnly}
            onChange={(seconds) => put({ retry_delay_seconds: seconds ?? 60 }, "retry_delay_seconds")}
          />
        )}
      </div>
    </details>
  );
};

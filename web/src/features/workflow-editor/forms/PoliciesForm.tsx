import { Checkbox, MultiSelect } from "@mantine/core";
import { useState } from "react";
import classes from "../editor.module.css";
import { Choice, Count, type Option, Time } from "../fields";
import { type FormProps, numberOf, oneOf, recordOf, textsOf } from "./form";
import { WavesForm } from "./WavesForm";

const OFFLINES: readonly Option<"wait" | "skip">[] = [
  { value: "wait", label: "Wait for it", means: "A device that is off runs it when it returns, until its latest start." },
  { value: "skip", label: "Leave it out", means: "A device that is off at that time is skipped." },
];
const NO_USERS: readonly Option<"skip" | "wait">[] = [
  { value: "skip", label: "Leave the device out", means: "A device on which nobody is signed in is skipped." },
  { value: "wait", label: "Wait for somebody", means: "It runs when somebody signs in, until its latest start." },
];
const INTERRUPTED: readonly Option<"lost" | "again">[] = [
  { value: "lost", label: "Leave it at that", means: "Its device is lost: nobody knows how far it came." },
  { value: "again", label: "Run it again", means: "The playbook may be repeated: it runs once more on such a device." },
];
const NO_TARGETS: readonly Option<"skip" | "fail">[] = [
  { value: "skip", label: "Skip the node", means: "Where the set has no device the node is skipped." },
  { value: "fail", label: "Count it as failed", means: "Where the set has no device the node has failed." },
];
const RETRIED = [
  { value: "failed", label: "failed" },
  { value: "timed_out", label: "ran out of time" },
  { value: "warning", label: "ended with warnings" },
];

interface PoliciesFormProps extends FormProps {
  kind: "script" | "playbook";
}

/** How a script or playbook goes over its devices; the words are those of a job. Shown once it is asked for. */
export const PoliciesForm = (props: PoliciesFormProps) => {
  const { node, fault } = props;
  const isSaid = Object.keys({ ...recordOf(node.settings["policies"]), ...recordOf(node.settings["duration"]) }).length > 0;
  const isWrong = Boolean(fault("policies") ?? fault("duration"));
  const [isOpen, setOpen] = useState(isSaid);
  return (
    <details className={classes.details} open={isOpen || isWrong} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Over its devices: offline, retries, waves, limits</summary>
      {(isOpen || isWrong) && <Policies {...props} />}
    </details>
  );
};

const Policies = ({ kind, node, isReadOnly, fault, set }: PoliciesFormProps) => {
  const policies = recordOf(node.settings["policies"]);
  const duration = recordOf(node.settings["duration"]);
  const put = (patch: Record<string, unknown>): void => set({ policies: { ...policies, ...patch } });
  const last = (patch: Record<string, unknown>): void => set({ duration: { ...duration, ...patch } });
  const wrong = (name: string): string | undefined => fault(`policies.${name}`);
  const shared = { isReadOnly };
  const retries = numberOf(policies["retries"]) ?? 0;
  const offline = oneOf(policies["offline"], OFFLINES, "wait");
  return (
    <div className={classes.stack}>
      <Choice
        {...shared}
        label="Devices that are off"
        options={OFFLINES}
        value={offline}
        error={wrong("offline")}
        onChange={(value) => put({ offline: value })}
      />
      {offline === "wait" && (
        <Time
          {...shared}
          label="Waited for at most"
          placeholder="the Engine's own"
          value={numberOf(duration["expires_after_seconds"])}
          error={fault("duration.expires_after_seconds")}
          onChange={(value) => last({ expires_after_seconds: value })}
        />
      )}
      <Time
        {...shared}
        label="Time limit of a device"
        placeholder="the assembly's own"
        value={numberOf(duration["time_limit_seconds"])}
        error={fault("duration.time_limit_seconds")}
        onChange={(value) => last({ time_limit_seconds: value })}
      />
      <Count
        {...shared}
        label="Most devices at once"
        placeholder="any number"
        min={1}
        value={numberOf(policies["concurrency"])}
        error={wrong("concurrency")}
        onChange={(value) => put({ concurrency: value })}
      />
      <Count
        {...shared}
        label="… in each site"
        placeholder="any number"
        min={1}
        value={numberOf(policies["site_concurrency"])}
        error={wrong("site_concurrency")}
        onChange={(value) => put({ site_concurrency: value })}
      />
      <Count
        {...shared}
        label="Retries of a device"
        value={retries}
        error={wrong("retries")}
        onChange={(value) => put({ retries: value ?? 0 })}
      />
      {retries > 0 && (
        <>
          <Time
            {...shared}
            label="Pause before a retry"
            value={numberOf(policies["retry_delay_seconds"]) ?? 60}
            error={wrong("retry_delay_seconds")}
            onChange={(value) => put({ retry_delay_seconds: value ?? 60 })}
          />
          <MultiSelect
            label="Retried are devices that"
            data={RETRIED}
            value={policies["retry_on"] === undefined ? ["failed", "timed_out"] : textsOf(policies["retry_on"])}
            error={wrong("retry_on")}
            readOnly={isReadOnly}
            onChange={(value) => put({ retry_on: value })}
          />
        </>
      )}
      <Count
        {...shared}
        label="Failures that are accepted"
        suffix=" %"
        value={numberOf(policies["failure_threshold_percent"]) ?? 0}
        error={wrong("failure_threshold_percent")}
        onChange={(value) => put({ failure_threshold_percent: value ?? 0 })}
      />
      <Choice
        {...shared}
        label="Where there is no device"
        options={NO_TARGETS}
        value={oneOf(policies["no_targets"], NO_TARGETS, "skip")}
        error={wrong("no_targets")}
        onChange={(value) => put({ no_targets: value })}
      />
      {node.settings["execution_context"] === "current_user" && (
        <Choice
          {...shared}
          label="Where nobody is signed in"
          options={NO_USERS}
          value={oneOf(policies["no_user_session"], NO_USERS, "skip")}
          error={wrong("no_user_session")}
          onChange={(value) => put({ no_user_session: value })}
        />
      )}
      {kind === "playbook" && (
        <Choice
          {...shared}
          label="Where the Engine's worker dies meanwhile"
          options={INTERRUPTED}
          value={oneOf(policies["interrupted"], INTERRUPTED, "lost")}
          error={wrong("interrupted")}
          onChange={(value) => put({ interrupted: value })}
        />
      )}
      <Checkbox
        label="In waves"
        checked={Boolean(policies["waves"])}
        disabled={isReadOnly}
        error={wrong("waves")}
        onChange={(event) => put({ waves: event.currentTarget.checked ? FIRST_WAVES : null })}
      />
      {Boolean(policies["waves"]) && (
        <WavesForm
          waves={recordOf(policies["waves"])}
          isReadOnly={isReadOnly}
          fault={wrong}
          onChange={(waves) => put({ waves })}
        />
      )}
    </div>
  );
};

const FIRST_WAVES = {
  sizes: ["10%", "50%"],
  soak_seconds: 600,
  promote: "auto",
  order_by: "hostname",
  reversed: false,
  canary: null,
  stop: { failed_percent: 20, least_results: 5, cancel_running: false },
};

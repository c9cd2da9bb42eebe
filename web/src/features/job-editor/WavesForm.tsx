import { Select, Switch, TagsInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { CountInput, DurationInput } from "./fields";
import { FIRST_WAVES, type Waves } from "./form";
import classes from "./job-editor.module.css";
import { WAVE_ORDERS } from "./policy-words";
import { TargetList } from "./TargetList";
import { Fault } from "./TargetsSection";
import type { JobForm } from "./use-job-form";

interface PartProps {
  waves: Waves;
  change: (patch: Partial<Waves>) => void;
  fault: JobForm["fault"];
}

/** A rollout in waves: who goes first, how long one looks at it, and when it stops by itself. */
export const WavesForm = ({ form }: { form: JobForm }) => {
  const { draft, policies, fault } = form;
  const { waves } = draft.policies;
  const [before, setBefore] = useState<Waves>(waves ?? FIRST_WAVES);
  const change = (patch: Partial<Waves>): void => policies({ waves: { ...(waves ?? before), ...patch } });
  return (
    <div className={classes.stack} role="group" aria-label="Waves">
      <Switch
        label="In waves"
        description={waves ? "Each next wave starts when the one before is over." : "All devices start together."}
        checked={Boolean(waves)}
        onChange={(event) => {
          if (waves) setBefore(waves);
          policies({ waves: event.currentTarget.checked ? before : null });
        }}
        error={fault("policies.waves")}
      />
      {waves && (
        <div className={classes.nested}>
          <Sizes waves={waves} change={change} fault={fault} />
          <Canary waves={waves} change={change} fault={fault} />
          <Brake waves={waves} change={change} fault={fault} />
        </div>
      )}
    </div>
  );
};

const sizeOf = (text: string): number | string => (/^\d+$/.test(text.trim()) ? Number(text) : text.trim());

const Sizes = ({ waves, change, fault }: PartProps) => (
  <>
    <div className={classes.pair}>
      <TagsInput
        label="Sizes of the waves"
        description="Devices (5) or shares of all (10%). What they leave is one more wave. Enter adds one."
        inputWrapperOrder={["label", "input", "description", "error"]}
        withAsterisk
        allowDuplicates
        value={waves.sizes.map(String)}
        onChange={(sizes) => change({ sizes: sizes.map(sizeOf) })}
        error={fault("policies.waves.sizes", true)}
      />
      <Select
        label="Who is first"
        data={[...WAVE_ORDERS]}
        value={waves.order_by}
        allowDeselect={false}
        onChange={(chosen) => change({ order_by: WAVE_ORDERS.find((one) => one.value === chosen)?.value ?? waves.order_by })}
        error={fault("policies.waves.order_by")}
      />
    </div>
    <div className={classes.pair}>
      <DurationInput
        label="Pause after each wave"
        description="Time to see whether all is well."
        placeholder="none"
        value={waves.soak_seconds || null}
        onChange={(seconds) => change({ soak_seconds: seconds ?? 0 })}
        error={fault("policies.waves.soak_seconds")}
      />
      <div className={classes.stack}>
        <Switch
          label="A person lets each next wave go"
          description={
            waves.promote === "manual" ? "After its pause a wave waits for somebody." : "The next wave starts by itself."
          }
          checked={waves.promote === "manual"}
          onChange={(event) => change({ promote: event.currentTarget.checked ? "manual" : "auto" })}
          error={fault("policies.waves.promote")}
        />
        <Switch
          label="The other way round"
          checked={waves.reversed}
          onChange={(event) => change({ reversed: event.currentTarget.checked })}
          error={fault("policies.waves.reversed")}
        />
      </div>
    </div>
  </>
);

const Canary = ({ waves, change, fault }: PartProps) => {
  const canary = waves.canary ?? null;
  const path = "policies.waves.canary";
  return (
    <>
      <Switch
        label="Canaries go first"
        description="Devices that are the first wave, before the sizes."
        checked={canary !== null}
        onChange={(event) =>
          change({ canary: event.currentTarget.checked ? { tag: "canary", targets: [], if_none: "refuse" } : null })
        }
        error={fault(path)}
      />
      {canary && (
        <div className={classes.nested}>
          <div className={classes.pair}>
            <TextInput
              label="Devices with the tag"
              value={canary.tag ?? ""}
              onChange={(event) => change({ canary: { ...canary, tag: event.currentTarget.value || null } })}
              error={fault(`${path}.tag`)}
            />
            <Switch
              mt={26}
              label="Go on where there is no canary"
              description={canary.if_none === "go_on" ? "The other waves run all the same." : "Without a canary nothing starts."}
              checked={canary.if_none === "go_on"}
              onChange={(event) => change({ canary: { ...canary, if_none: event.currentTarget.checked ? "go_on" : "refuse" } })}
              error={fault(`${path}.if_none`)}
            />
          </div>
          <TargetList
            verb="Add"
            label="Canaries"
            kinds={["device", "filter"]}
            list={canary.targets ?? []}
            onChange={(list) =>
              change({
                canary: {
                  ...canary,
                  targets: list.flatMap((one) => (one.kind === "device" || one.kind === "filter" ? [one] : [])),
                },
              })
            }
            faultAt={(place) => fault(`${path}.targets.${place}`, true)}
          />
          <Fault text={fault(`${path}.targets`)} />
        </div>
      )}
    </>
  );
};

const Brake = ({ waves, change, fault }: PartProps) => {
  const stop = waves.stop ?? FIRST_WAVES.stop ?? { least_results: 5, cancel_running: false };
  const path = "policies.waves.stop";
  const put = (patch: Partial<typeof stop>): void => change({ stop: { ...stop, ...patch } });
  const fields = [
    ["failed_percent", "Stop at failures", " %"],
    ["failed_count", "… or at so many", ""],
    ["unreachable_percent", "Stop at unreachable", " %"],
    ["unreachable_count", "… or at so many", ""],
  ] as const;
  return (
    <fieldset className={classes.brake}>
      <legend>Brake</legend>
      {fields.map(([name, label, suffix]) => (
        <CountInput
          key={name}
          label={label}
          suffix={suffix}
          placeholder="never"
          min={1}
          value={stop[name]}
          onChange={(value) => put({ [name]: value })}
          error={fault(`${path}.${name}`)}
        />
      ))}
      <CountInput
        label="Not before so many results"
        min={1}
        value={stop.least_results}
        onChange={(value) => put({ least_results: value ?? 5 })}
        error={fault(`${path}.least_results`)}
      />
      <Switch
        mt={26}
        label="Stop also what runs"
        description={stop.cancel_running ? "What runs is stopped." : "What runs goes on to its end."}
        checked={stop.cancel_running}
        onChange={(event) => put({ cancel_running: event.currentTarget.checked })}
        error={fault(`${path}.cancel_running`)}
      />
    </fieldset>
  );
};

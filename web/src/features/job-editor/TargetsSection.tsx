import { Checkbox } from "@mantine/core";
import type { FieldProblem } from "@/api/problem";
import { Choice, CountInput } from "./fields";
import classes from "./job-editor.module.css";
import { NO_TARGETS } from "./policy-words";
import { Section } from "./Section";
import { TargetList } from "./TargetList";
import type { JobForm } from "./use-job-form";

/** Whom the job runs on, and whom it leaves out. Filters and sites are asked anew whenever it falls due. */
export const TargetsSection = ({ form, problems }: { form: JobForm; problems: readonly FieldProblem[] }) => {
  const { draft, set, policies, fault } = form;
  const isAll = draft.targets.some((one) => one.kind === "all_devices");
  const named = draft.targets.filter((one) => one.kind !== "all_devices");
  // The places that the API speaks of are those of the whole list.
  const placeOf = (place: number): number => draft.targets.indexOf(named[place] ?? { kind: "all_devices" });
  return (
    <Section
      id="targets"
      problems={problems}
      about="Filters and sites are asked anew whenever the job falls due: whoever belongs to them then is run on."
    >
      <div role="group" aria-labelledby="runs-on" className={classes.stack}>
        <h3 id="runs-on" className={classes.subtitle}>
          Runs on
        </h3>
        <Checkbox
          label="All devices that you see"
          checked={isAll}
          onChange={() => set({ targets: isAll ? named : [...named, { kind: "all_devices" }] })}
        />
        <TargetList
          verb="Add"
          label="Targets"
          list={named}
          onChange={(list) => set({ targets: isAll ? [...list, { kind: "all_devices" }] : list })}
          faultAt={(place) => fault(`targets.${placeOf(place)}`, true)}
        />
        <Fault text={fault("targets")} />
      </div>
      <div role="group" aria-labelledby="leaves-out" className={classes.stack}>
        <h3 id="leaves-out" className={classes.subtitle}>
          Leaves out
        </h3>
        <TargetList
          verb="Leave out"
          label="Exclusions"
          list={draft.exclusions}
          onChange={(list) => set({ exclusions: list.flatMap((one) => (one.kind === "all_devices" ? [] : [one])) })}
          faultAt={(place) => fault(`exclusions.${place}`, true)}
        />
        <Fault text={fault("exclusions")} />
      </div>
      <div className={classes.triple}>
        <Choice
          label="When no device is found"
          options={NO_TARGETS}
          value={draft.policies.no_targets}
          onChange={(no_targets) => policies({ no_targets })}
          error={fault("policies.no_targets")}
        />
        <CountInput
          label="Hold if set differs by"
          description="A run waits for a person when its devices differ by more from those of the run before. Empty: never."
          suffix=" %"
          placeholder="never"
          value={draft.policies.max_change_percent}
          onChange={(max_change_percent) => policies({ max_change_percent })}
          error={fault("policies.max_change_percent")}
        />
        <CountInput
          label="… or by so many devices"
          description="The same by number."
          placeholder="never"
          value={draft.policies.max_change_devices}
          onChange={(max_change_devices) => policies({ max_change_devices })}
          error={fault("policies.max_change_devices")}
        />
      </div>
    </Section>
  );
};

export const Fault = ({ text }: { text: string | undefined }) =>
  text ? (
    <p className={classes.fault} role="alert">
      {text}
    </p>
  ) : null;

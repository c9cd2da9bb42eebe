import { Button, Select, Switch, TextInput } from "@mantine/core";
import type { FieldProblem } from "@/api/problem";
import { CustomSchedule } from "./CustomSchedule";
import { CountInput } from "./fields";
import { fieldsOf } from "./form";
import classes from "./job-editor.module.css";
import { CUSTOM_KINDS, needsStart, plainOf, PLAIN_KINDS, startWords, withKind } from "./schedule";
import { Section } from "./Section";
import { Fault } from "./TargetsSection";
import type { JobForm } from "./use-job-form";
import { isWallClock } from "./wall-clock";
import { ZoneFields } from "./ZoneFields";

const KINDS = [
  { group: "In plain words", items: [...PLAIN_KINDS] },
  { group: "Custom", items: [...CUSTOM_KINDS] },
];

interface ScheduleSectionProps {
  form: JobForm;
  problems: readonly FieldProblem[];
  /** A new job can be saved paused; a saved one is paused from its head. */
  isNew: boolean;
}

/** When it is due: plain words first, and custom ones for what these cannot say. The summary tells what it comes to. */
export const ScheduleSection = ({ form, problems, isNew }: ScheduleSectionProps) => {
  const { draft, schedule, set, fault } = form;
  const now = draft.schedule;
  const fields = fieldsOf(now.type);
  const plain = plainOf(now, new Date());
  const start = startWords(now.type);
  return (
    <Section id="schedule" problems={problems}>
      <Select
        label="Runs"
        withAsterisk
        placeholder="Choose when it runs"
        data={KINDS}
        value={now.type || null}
        allowDeselect={false}
        maxDropdownHeight={420}
        onChange={(type) => type && schedule(withKind(now, type, new Date()))}
        error={fault("schedule.type") ?? fault("schedule")}
      />
      {(now.type === "cron" || now.type === "rrule") && <CustomSchedule form={form} />}
      {plain && (
        <div className={classes.hint}>
          <span>This says the same as “{PLAIN_KINDS.find((one) => one.value === plain.type)?.label}”.</span>
          <Button variant="default" size="compact-xs" onClick={() => schedule(withKind(now, plain.type, new Date()))}>
            Say it plainly
          </Button>
        </div>
      )}
      {now.type !== "" && now.type !== "immediately" && <ZoneFields form={form} isFixed={draft.onboarding !== null} />}
      <div className={classes.triple}>
        {fields.includes("start") && (
          <MomentInput
            {...start}
            isRequired={needsStart(now.type)}
            value={now.start}
            onChange={(value) => schedule({ start: value })}
            error={fault("schedule.start")}
          />
        )}
        {fields.includes("end") && (
          <MomentInput
            label="Ends"
            description="Nothing falls due later. Empty: never."
            value={now.end}
            onChange={(value) => schedule({ end: value })}
            error={fault("schedule.end")}
          />
        )}
        {fields.includes("count") && (
          <CountInput
            label="Ends after"
            description="So many times in all. Empty: any number."
            suffix=" times"
            placeholder="any number"
            min={1}
            value={now.count}
            onChange={(count) => schedule({ count })}
            error={fault("schedule.count")}
          />
        )}
      </div>
      {isNew && (
        <Switch
          label="Save it paused"
          description={
            draft.enabled === false
              ? "It does not start until somebody resumes it."
              : "It goes by its schedule as soon as it is saved."
          }
          checked={draft.enabled === false}
          onChange={(event) => set({ enabled: event.currentTarget.checked ? false : null })}
          error={fault("enabled")}
        />
      )}
      <Fault text={fault("schedule.exdate", true) ?? fault("schedule.rdate", true)} />
    </Section>
  );
};

interface MomentInputProps {
  label: string;
  description?: string;
  isRequired?: boolean;
  value: string;
  onChange: (value: string) => void;
  error?: string;
}

/** A wall clock; what says more than one, such as an instant with its offset, stays the text that it is. */
const MomentInput = ({ label, description, isRequired = false, value, onChange, error }: MomentInputProps) => {
  const isPlain = value === "" || isWallClock(value);
  return (
    <TextInput
      type={isPlain ? "datetime-local" : "text"}
      label={label}
      description={isPlain ? description : `An exact instant. ${description ?? ""}`}
      inputWrapperOrder={["label", "input", "description", "error"]}
      withAsterisk={isRequired}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
      error={error}
    />
  );
};

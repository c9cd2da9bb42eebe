import { Chip, NumberInput, Select, TagsInput, TextInput } from "@mantine/core";
import classes from "./job-editor.module.css";
import { type Day, DAYS, type Frequency, readRule, type RuleParts, writeRule } from "./rule-parts";
import { asNumber, type JobForm } from "./use-job-form";

/** Cron and rules: fields for what is common, and the text itself for everything. */
export const CustomSchedule = ({ form }: { form: JobForm }) => {
  const { draft, schedule, fault } = form;
  const { type, expression, rule, exdate, rdate } = draft.schedule;
  if (type === "cron")
    return (
      <TextInput
        label="Cron expression"
        description="Minute, hour, day, month, weekday: 0 3 * * mon-fri is 03:00 from Monday to Friday."
        inputWrapperOrder={["label", "input", "description", "error"]}
        withAsterisk
        spellCheck={false}
        classNames={{ input: classes.code }}
        value={expression}
        onChange={(event) => schedule({ expression: event.currentTarget.value })}
        error={fault("schedule.expression")}
      />
    );
  const parts = readRule(rule);
  return (
    <>
      {parts && <RuleFields parts={parts} onChange={(next) => schedule({ rule: writeRule(next) })} />}
      <TextInput
        label="Rule"
        description={
          parts
            ? "The same as a text (RFC 5545); it can say more than the fields above."
            : "As RFC 5545 has it; the fields for it appear where they can say it."
        }
        inputWrapperOrder={["label", "input", "description", "error"]}
        withAsterisk
        spellCheck={false}
        classNames={{ input: classes.code }}
        value={rule}
        onChange={(event) => schedule({ rule: event.currentTarget.value })}
        error={fault("schedule.rule")}
      />
      <div className={classes.pair}>
        <TagsInput
          label="Leave out"
          description="Single times of the rule, such as 2026-12-24T03:00. Enter adds one."
          value={[...exdate]}
          onChange={(chosen) => schedule({ exdate: chosen })}
          error={fault("schedule.exdate", true)}
        />
        <TagsInput
          label="And also on"
          description="Single times besides the rule."
          value={[...rdate]}
          onChange={(chosen) => schedule({ rdate: chosen })}
          error={fault("schedule.rdate", true)}
        />
      </div>
    </>
  );
};

const FREQUENCIES: readonly { value: Frequency; label: string }[] = [
  { value: "DAILY", label: "days" },
  { value: "WEEKLY", label: "weeks" },
  { value: "MONTHLY", label: "months" },
  { value: "YEARLY", label: "years" },
];
const NAMES: Readonly<Record<Day, string>> = {
  MO: "Monday",
  TU: "Tuesday",
  WE: "Wednesday",
  TH: "Thursday",
  FR: "Friday",
  SA: "Saturday",
  SU: "Sunday",
};

const RuleFields = ({ parts, onChange }: { parts: RuleParts; onChange: (parts: RuleParts) => void }) => (
  <div className={classes.rule}>
    <NumberInput
      label="Every"
      min={1}
      max={999}
      allowDecimal={false}
      value={parts.interval}
      onChange={(value) => onChange({ ...parts, interval: asNumber(value) ?? 1 })}
      w={84}
    />
    <Select
      aria-label="Days, weeks, months or years"
      data={[...FREQUENCIES]}
      value={parts.frequency}
      allowDeselect={false}
      onChange={(chosen) => {
        const frequency = FREQUENCIES.find((one) => one.value === chosen)?.value ?? parts.frequency;
        onChange({ frequency, interval: parts.interval, days: [], monthDay: null, nth: null });
      }}
      w={110}
    />
    {parts.frequency === "WEEKLY" && (
      <Chip.Group
        multiple
        value={[...parts.days]}
        onChange={(days) => onChange({ ...parts, days: DAYS.filter((one) => days.includes(one)) })}
      >
        <div className={classes.days} role="group" aria-label="On these weekdays; none: that of the start">
          {DAYS.map((one) => (
            <Chip key={one} value={one} size="xs" aria-label={NAMES[one]}>
              {NAMES[one].slice(0, 2)}
            </Chip>
          ))}
        </div>
      </Chip.Group>
    )}
    {parts.frequency === "MONTHLY" && <MonthFields parts={parts} onChange={onChange} />}
  </div>
);

const NTHS = [
  { value: "1", label: "the first" },
  { value: "2", label: "the second" },
  { value: "3", label: "the third" },
  { value: "4", label: "the fourth" },
  { value: "-1", label: "the last" },
];

const MonthFields = ({ parts, onChange }: { parts: RuleParts; onChange: (parts: RuleParts) => void }) => {
  const mode = parts.nth !== null ? "nth" : parts.monthDay === -1 ? "last" : parts.monthDay !== null ? "day" : "start";
  const choose = (chosen: string | null): void => {
    if (chosen === "nth") onChange({ ...parts, monthDay: null, nth: 2, days: ["TU"] });
    else onChange({ ...parts, nth: null, days: [], monthDay: chosen === "last" ? -1 : chosen === "day" ? 15 : null });
  };
  return (
    <>
      <Select
        aria-label="On which day of the month"
        data={[
          { value: "start", label: "on the day of its start" },
          { value: "day", label: "on a certain day" },
          { value: "last", label: "on the last day" },
          { value: "nth", label: "on a certain weekday" },
        ]}
        value={mode}
        allowDeselect={false}
        onChange={choose}
        w={210}
      />
      {mode === "day" && (
        <NumberInput
          aria-label="Day of the month"
          min={1}
          max={31}
          allowDecimal={false}
          value={parts.monthDay ?? 1}
          onChange={(value) => onChange({ ...parts, monthDay: asNumber(value) ?? 1 })}
          w={84}
        />
      )}
      {mode === "nth" && (
        <>
          <Select
            aria-label="Which of the weekdays"
            data={NTHS}
            value={String(parts.nth)}
            allowDeselect={false}
            onChange={(chosen) => onChange({ ...parts, nth: Number(chosen ?? 1) })}
            w={130}
          />
          <Select
            aria-label="Weekday"
            data={DAYS.map((one) => ({ value: one, label: NAMES[one] }))}
            value={parts.days[0] ?? "MO"}
            allowDeselect={false}
            onChange={(chosen) => onChange({ ...parts, days: DAYS.filter((one) => one === chosen) })}
            w={140}
          />
        </>
      )}
    </>
  );
};

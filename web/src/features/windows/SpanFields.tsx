import { Button, NumberInput, Select, TextInput } from "@mantine/core";
import { Icon } from "@/ui/icons";
import { lengthOf, ofType, type Span, TYPES, UNITS, withLength } from "./window-form";
import classes from "./windows.module.css";

interface SpanFieldsProps {
  span: Span;
  place: number;
  /** Whether its clocks are its own; else they are those of each site. */
  hasZone: boolean;
  zones: readonly string[];
  /** What the Engine says is wrong with a field of it. */
  said: (field: string) => string | undefined;
  onChange: (span: Span) => void;
  onRemove?: () => void;
}

/** One stretch of a window: when it begins, and for how long. */
export const SpanFields = ({ span, place, hasZone, zones, said, onChange, onRemove }: SpanFieldsProps) => {
  const { schedule } = span;
  const { number, unit } = lengthOf(span);
  const set = (patch: Partial<Span["schedule"]>): void => onChange({ ...span, schedule: { ...schedule, ...patch } });
  const at = (field: string): string | undefined => said(`spans.${place}.${field}`);
  const own = ["start", "end", "timezone", "expression", "rule"].map((one) => at(`schedule.${one}`)).filter(Boolean);
  return (
    <div className={classes.span} role="group" aria-label={`Stretch ${place + 1}`}>
      <div className={classes.line}>
        <Select
          label="Repeats"
          data={[...TYPES]}
          value={schedule.type}
          allowDeselect={false}
          onChange={(type) => type && onChange({ ...span, schedule: ofType(schedule, type) })}
          error={at("schedule.type") ?? (own.length ? undefined : at("schedule"))}
        />
        <TextInput
          type="datetime-local"
          label={schedule.type === "once" ? "Begins" : "First time"}
          value={schedule.start?.slice(0, 16) ?? ""}
          onChange={(event) => set({ start: event.currentTarget.value || null })}
          error={at("schedule.start")}
        />
        {schedule.type !== "once" && (
          <TextInput
            type="datetime-local"
            label="No more after"
            value={schedule.end?.slice(0, 16) ?? ""}
            onChange={(event) => set({ end: event.currentTarget.value || null })}
            error={at("schedule.end")}
          />
        )}
      </div>
      {schedule.type === "cron" && (
        <TextInput
          label="Cron expression"
          description="Minute, hour, day of the month, month, day of the week."
          value={schedule.expression ?? ""}
          onChange={(event) => set({ expression: event.currentTarget.value })}
          error={at("schedule.expression")}
        />
      )}
      {schedule.type === "rrule" && (
        <TextInput
          label="RRULE"
          description="As in calendars: FREQ=MONTHLY;BYDAY=2TU"
          value={schedule.rule ?? ""}
          onChange={(event) => set({ rule: event.currentTarget.value })}
          error={at("schedule.rule")}
        />
      )}
      <div className={classes.line}>
        <NumberInput
          className={classes.narrow}
          label="Lasts"
          min={1}
          value={number}
          onChange={(value) => onChange(withLength(span, Number(value) || 0, unit))}
          error={at("duration_seconds") ?? at("duration_days")}
        />
        <Select
          aria-label="Unit of the length"
          data={UNITS.map(({ value, label }) => ({ value, label }))}
          value={unit}
          allowDeselect={false}
          onChange={(chosen) => onChange(withLength(span, number, UNITS.find((one) => one.value === chosen)?.value ?? unit))}
        />
        {hasZone && (
          <Select
            label="On the clocks of"
            data={[...zones]}
            searchable
            limit={60}
            value={schedule.timezone ?? "UTC"}
            allowDeselect={false}
            onChange={(timezone) => timezone && set({ timezone })}
            error={at("schedule.timezone")}
          />
        )}
        <TextInput
          label="Name"
          placeholder="none"
          value={span.name ?? ""}
          maxLength={200}
          onChange={(event) => onChange({ ...span, name: event.currentTarget.value || null })}
          error={at("name")}
        />
        {onRemove && (
          <Button
            className={classes.button}
            variant="subtle"
            color="gray"
            leftSection={<Icon name="close" size={14} />}
            onClick={onRemove}
            aria-label={`Remove stretch ${place + 1}`}
          >
            Remove
          </Button>
        )}
      </div>
    </div>
  );
};

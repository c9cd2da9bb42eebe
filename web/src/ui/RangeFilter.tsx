import { Group, Select, TextInput } from "@mantine/core";
import { RANGES, type RangeName, type RangeState } from "@/lib/ranges";
import { browserZone, toInstant, toLocalInput } from "@/lib/time";

interface RangeFilterProps {
  state: RangeState;
  /** Which spans there are to choose from; all without. */
  only?: readonly RangeName[];
  onChange: (patch: Partial<RangeState>) => void;
}

const local = (at: string): string => (at ? toLocalInput(new Date(at)) : "");

/** Which time a list shows: a usual span, or both ends by hand, on the clocks of this browser. */
export const RangeFilter = ({ state, only, onChange }: RangeFilterProps) => (
  <Group gap="xs" wrap="wrap">
    <Select
      size="xs"
      w={148}
      aria-label="Which time"
      data={RANGES.filter((one) => !only || only.includes(one.value)).map(({ value, label }) => ({ value, label }))}
      value={state.range}
      allowDeselect={false}
      onChange={(chosen) => onChange({ range: RANGES.find((one) => one.value === chosen)?.value ?? state.range })}
    />
    {state.range === "between" &&
      (["from", "to"] as const).map((end) => (
        <TextInput
          key={end}
          size="xs"
          type="datetime-local"
          aria-label={`${end === "from" ? "From" : "To"} (${browserZone()})`}
          title={browserZone()}
          value={local(state[end])}
          onChange={(event) => onChange({ [end]: toInstant(event.currentTarget.value) ?? "" })}
        />
      ))}
  </Group>
);

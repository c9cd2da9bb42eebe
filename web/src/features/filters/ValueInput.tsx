import { MultiSelect, Select, TagsInput, TextInput } from "@mantine/core";
import type { FilterField } from "@/api/filters";
import { exampleOf, shapeOf } from "./fields";
import { SoftwareInput } from "./SoftwareInput";
import type { Criterion } from "./tree";
import type { Choice } from "./tree-context";

interface ValueInputProps {
  criterion: Criterion;
  field: FilterField | undefined;
  sites: readonly Choice[];
  /** Which criterion, for those who cannot see where it stands. */
  name: string;
  error: string | null;
  isReadOnly: boolean;
  onChange: (patch: Partial<Criterion>) => void;
}

/** The value of one question, in the shape that its field and operator take. */
export const ValueInput = ({ criterion, field, sites, name, error, isReadOnly, onChange }: ValueInputProps) => {
  const shape = shapeOf(field, criterion.operator);
  const choices = field?.kind === "site" ? [...sites] : (field?.choices ?? []).map((one) => ({ value: one, label: one }));
  const label = `Value of ${name}`;
  const shared = { size: "xs", "aria-label": label, error, disabled: isReadOnly };
  switch (shape) {
    case "none":
      return <span aria-hidden="true" />;
    case "software":
      return (
        <SoftwareInput
          software={criterion.software}
          name={name}
          error={error}
          isReadOnly={isReadOnly}
          onChange={(software) => onChange({ software })}
        />
      );
    case "choice":
      return (
        <Select
          {...shared}
          data={choices}
          searchable={choices.length > 8}
          placeholder="Choose"
          value={criterion.text || null}
          onChange={(text) => onChange({ text: text ?? "" })}
        />
      );
    case "choices":
      return (
        <MultiSelect
          {...shared}
          data={choices}
          searchable
          placeholder={criterion.list.length ? undefined : "Choose"}
          value={[...criterion.list]}
          onChange={(list) => onChange({ list })}
        />
      );
    case "list":
      return (
        <TagsInput
          {...shared}
          placeholder={criterion.list.length ? undefined : "One after the other, with Enter"}
          splitChars={[",", ";"]}
          value={[...criterion.list]}
          onChange={(list) => onChange({ list })}
        />
      );
    case "date":
      return (
        <TextInput
          {...shared}
          type="date"
          value={criterion.text}
          onChange={(event) => onChange({ text: event.currentTarget.value })}
        />
      );
    case "text":
      return (
        <TextInput
          {...shared}
          placeholder={field ? exampleOf(field) : undefined}
          rightSection={field?.unit && /^\d+$/.test(criterion.text) ? <small>{field.unit}</small> : undefined}
          rightSectionWidth={60}
          value={criterion.text}
          onChange={(event) => onChange({ text: event.currentTarget.value })}
        />
      );
  }
};

import { Autocomplete, Button, Checkbox, TextInput } from "@mantine/core";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import classes from "../editor.module.css";

type Pair = readonly [string, string];

interface PairsProps {
  label: string;
  /** What one of them is: “header”. */
  of: string;
  names: readonly [string, string];
  pairs: readonly Pair[];
  /** What the first of a pair may be chosen from. */
  choices?: readonly string[];
  error?: string;
  isReadOnly: boolean;
  /** A box to be ticked for each of them. */
  marks?: { label: string; checked: readonly boolean[]; onChange: (at: number, checked: boolean) => void };
  onChange: (pairs: Pair[]) => void;
  onRemove?: (at: number) => void;
}

/** Rows of two texts that belong together. */
export const Pairs = (props: PairsProps) => {
  const { label, of, names, pairs, choices, error, isReadOnly, marks, onChange, onRemove } = props;
  const put = (at: number, pair: Pair): void => onChange(pairs.map((one, other) => (other === at ? pair : one)));
  const remove = (at: number): void => (onRemove ? onRemove(at) : onChange(pairs.filter((_, other) => other !== at)));
  return (
    <fieldset className={classes.fieldset}>
      <legend>{label}</legend>
      {pairs.map(([first, second], at) => {
        const shared = { "aria-label": `${names[0]} ${at + 1}`, placeholder: names[0], value: first, readOnly: isReadOnly };
        return (
          <div key={at} className={classes.pair}>
            {choices ? (
              <Autocomplete {...shared} data={[...choices]} onChange={(value) => put(at, [value, second])} />
            ) : (
              <TextInput {...shared} onChange={(event) => put(at, [event.currentTarget.value, second])} />
            )}
            <TextInput
              aria-label={`${names[1]} ${at + 1}`}
              placeholder={names[1]}
              value={second}
              readOnly={isReadOnly}
              onChange={(event) => put(at, [first, event.currentTarget.value])}
            />
            {!isReadOnly && <IconAction label={`Remove ${of} ${at + 1}`} icon="delete" onClick={() => remove(at)} />}
            {marks && (
              <Checkbox
                size="xs"
                label={marks.label}
                aria-label={`${names[0]} ${at + 1} ${marks.label}`}
                checked={marks.checked[at] ?? false}
                disabled={isReadOnly}
                onChange={(event) => marks.onChange(at, event.currentTarget.checked)}
              />
            )}
          </div>
        );
      })}
      {error && (
        <p className={classes.error} role="alert">
          {error}
        </p>
      )}
      {!isReadOnly && (
        <Button
          variant="default"
          size="compact-xs"
          leftSection={<Icon name="add" size={12} />}
          onClick={() => onChange([...pairs, ["", ""]])}
        >
          Add {of}
        </Button>
      )}
    </fieldset>
  );
};

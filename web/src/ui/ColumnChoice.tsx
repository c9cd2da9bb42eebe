import { ActionIcon, Button, Checkbox, Popover, Stack, Tooltip } from "@mantine/core";
import { Icon } from "./icons";
import { type Column, shownColumns } from "./table-columns";

interface ColumnChoiceProps<T> {
  columns: readonly Column<T>[];
  /** Ids in order; empty = the usual ones. */
  shown: readonly string[];
  onChange: (shown: string[]) => void;
}

/** Which columns a list has, and in which order. */
export const ColumnChoice = <T,>({ columns, shown, onChange }: ColumnChoiceProps<T>) => {
  const now = shownColumns(columns, shown).map((one) => one.id);
  const ordered = [...now, ...columns.map((one) => one.id).filter((id) => !now.includes(id))];
  const move = (id: string, step: number): void => {
    const next = [...now];
    const place = next.indexOf(id);
    const other = next[place + step];
    if (other === undefined) return;
    next[place] = other;
    next[place + step] = id;
    onChange(next);
  };
  return (
    <Popover position="bottom-end" shadow="md" trapFocus>
      <Popover.Target>
        <Button variant="default" leftSection={<Icon name="columns" size={14} />}>
          Columns
        </Button>
      </Popover.Target>
      <Popover.Dropdown aria-label="Columns">
        <Stack gap={4} style={{ maxHeight: "60vh", overflow: "auto" }}>
          {ordered.flatMap((id) => {
            const one = columns.find((column) => column.id === id);
            if (!one) return [];
            const place = now.indexOf(id);
            return (
              <div key={id} style={{ display: "flex", alignItems: "center", gap: "0.5rem", minWidth: "15rem" }}>
                <Tooltip label="This column is always shown." disabled={!one.fixed}>
                  <Checkbox
                    size="xs"
                    label={one.header}
                    checked={place >= 0}
                    disabled={one.fixed}
                    onChange={() => onChange(place >= 0 ? now.filter((other) => other !== id) : [...now, id])}
                    style={{ flex: 1 }}
                  />
                </Tooltip>
                {place >= 0 && (
                  <>
                    <ActionIcon
                      size="sm"
                      aria-label={`${one.header} further left`}
                      disabled={place === 0}
                      onClick={() => move(id, -1)}
                    >
                      ↑
                    </ActionIcon>
                    <ActionIcon
                      size="sm"
                      aria-label={`${one.header} further right`}
                      disabled={place === now.length - 1}
                      onClick={() => move(id, 1)}
                    >
                      ↓
                    </ActionIcon>
                  </>
                )}
              </div>
            );
          })}
          <Button variant="subtle" color="gray" onClick={() => onChange([])}>
            As usual
          </Button>
        </Stack>
      </Popover.Dropdown>
    </Popover>
  );
};

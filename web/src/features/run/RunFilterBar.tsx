import { Button, Menu, Pill, SegmentedControl } from "@mantine/core";
import { FAILED, type TargetState } from "@/api/runs";
import { inCountOrder, stateMark } from "@/lib/states";
import { FilterBar } from "@/ui/FilterBar";
import { Icon } from "@/ui/icons";
import classes from "./run.module.css";
import { isFiltered, NO_FILTER, type RunState } from "./run-filters";

interface RunFilterBarProps {
  state: RunState;
  counts: Readonly<Record<string, number>>;
  hasRecap: boolean;
  exportOf: (format: "csv" | "jsonl") => string;
  onChange: (patch: Partial<RunState>) => void;
}

/** Which devices of a run are shown, by host name, state, check and output; and the whole as a file. */
export const RunFilterBar = ({ state, counts, hasRecap, exportOf, onChange }: RunFilterBarProps) => {
  const failed = FAILED.reduce((sum, one) => sum + (counts[one] ?? 0), 0);
  const present = inCountOrder(counts).map(([one]) => one);
  return (
    <FilterBar
      q={state.q}
      onSearch={(q) => onChange({ q, view: "devices" })}
      placeholder="Find a device by its name"
      onClear={isFiltered(state) ? () => onChange(NO_FILTER) : undefined}
      end={
        <>
          <SegmentedControl
            size="xs"
            aria-label="What to show"
            value={state.view}
            data={[
              { value: "devices", label: "Devices" },
              { value: "outputs", label: "Same outputs" },
              ...(hasRecap ? [{ value: "recap" as const, label: "Recap" }] : []),
            ]}
            onChange={(view) => onChange({ view })}
          />
          <Menu>
            <Menu.Target>
              <Button variant="default" leftSection={<Icon name="download" size={14} />}>
                Export
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              <Menu.Item component="a" href={exportOf("csv")} download>
                Device rows as CSV
              </Menu.Item>
              <Menu.Item component="a" href={exportOf("jsonl")} download>
                Device rows as JSON lines
              </Menu.Item>
            </Menu.Dropdown>
          </Menu>
        </>
      }
    >
      <div className={classes.chips}>
        {failed > 0 && present.filter((one) => FAILED.some((other) => other === one)).length > 1 && (
          <Button variant="default" onClick={() => onChange({ state: [...FAILED], view: "devices" })}>
            All failures
          </Button>
        )}
        {state.state.map((one: TargetState) => (
          <Chip
            key={one}
            label={stateMark(one).word}
            onRemove={() => onChange({ state: state.state.filter((other) => other !== one) })}
          />
        ))}
        {state.verdict.map((one) => (
          <Chip
            key={one}
            label={stateMark(one).word}
            onRemove={() => onChange({ verdict: state.verdict.filter((other) => other !== one) })}
          />
        ))}
        {state.output && <Chip label="Same output" onRemove={() => onChange({ output: "" })} />}
      </div>
    </FilterBar>
  );
};

const Chip = ({ label, onRemove }: { label: string; onRemove: () => void }) => (
  <Pill
    withRemoveButton
    onRemove={onRemove}
    removeButtonProps={{ "aria-label": `No longer only: ${label}`, "aria-hidden": false, tabIndex: 0 }}
  >
    {label}
  </Pill>
);

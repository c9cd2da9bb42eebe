import { Button, TextInput } from "@mantine/core";
import { browserZone } from "@/lib/time";
import { FilterSelect } from "@/ui/FilterBar";
import classes from "./history.module.css";
import { type HistoryState, isFiltered, KINDS, NO_FILTER, WHATS } from "./history-filters";

interface HistoryFilterBarProps {
  state: HistoryState;
  onChange: (patch: Partial<HistoryState>) => void;
}

/** Which occurrences of a job are shown: what became of them, how they came about, and when. */
export const HistoryFilterBar = ({ state, onChange }: HistoryFilterBarProps) => (
  <div className={classes.filters} role="search">
    <FilterSelect label="Any state" value={state.what} options={WHATS} onChange={(what) => onChange({ what })} />
    <FilterSelect label="However started" value={state.kind} options={KINDS} onChange={(kind) => onChange({ kind })} />
    <Day label="From" value={state.from} onChange={(from) => onChange({ from })} />
    <Day label="To" value={state.to} onChange={(to) => onChange({ to })} />
    {isFiltered(state) && (
      <Button variant="subtle" color="gray" onClick={() => onChange(NO_FILTER)}>
        Clear filters
      </Button>
    )}
  </div>
);

const Day = ({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) => (
  <label className={classes.day_field} title={`A day on the clocks of ${browserZone()}`}>
    <span>{label}</span>
    <TextInput type="date" size="xs" value={value} onChange={(event) => onChange(event.currentTarget.value)} />
  </label>
);

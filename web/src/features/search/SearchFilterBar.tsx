import { TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { jobQuery } from "@/api/jobs";
import { deviceNameQuery, deviceNamesQuery, jobNamesQuery } from "@/api/search";
import { useSites } from "@/api/sites";
import { browserZone } from "@/lib/time";
import { FilterBar, FilterSelect } from "@/ui/FilterBar";
import { Pick } from "./Pick";
import { isFiltered, NO_FILTER, type SearchState, STATES } from "./search-filters";
import classes from "./search.module.css";

interface SearchFilterBarProps {
  state: SearchState;
  onChange: (patch: Partial<SearchState>) => void;
}

const STREAMS = [
  { value: "stdout", label: "Output" },
  { value: "stderr", label: "Errors" },
] as const;

/** What is looked for in stored output, and where. */
export const SearchFilterBar = ({ state, onChange }: SearchFilterBarProps) => {
  const sites = useSites();
  const job = useQuery({ ...jobQuery(state.job_id ?? 0), enabled: state.job_id !== null }).data;
  const device = useQuery({ ...deviceNameQuery(state.device_id), enabled: state.device_id !== "" }).data;
  return (
    <FilterBar
      q={state.q}
      onSearch={(q) => onChange({ q })}
      placeholder="Find words in what scripts wrote"
      onClear={isFiltered(state) ? () => onChange(NO_FILTER) : undefined}
    >
      <Pick
        label="Any job"
        chosen={state.job_id === null ? null : { id: String(state.job_id), name: job?.name ?? `job ${state.job_id}` }}
        find={jobNamesQuery}
        onChange={(id) => onChange({ job_id: id === null ? null : Number(id) })}
      />
      <Pick
        label="Any device"
        chosen={state.device_id === "" ? null : { id: state.device_id, name: device?.name ?? "…" }}
        find={deviceNamesQuery}
        onChange={(id) => onChange({ device_id: id ?? "" })}
      />
      <FilterSelect
        label="Any site"
        value={state.site_id === null ? null : String(state.site_id)}
        options={sites.map((one) => ({ value: String(one.id), label: one.name }))}
        onChange={(id) => onChange({ site_id: id === null ? null : Number(id) })}
      />
      <FilterSelect label="Any state" value={state.state} options={STATES} onChange={(chosen) => onChange({ state: chosen })} />
      <FilterSelect label="Both streams" value={state.stream} options={STREAMS} onChange={(stream) => onChange({ stream })} />
      <Day label="From" value={state.from} onChange={(from) => onChange({ from })} />
      <Day label="To" value={state.to} onChange={(to) => onChange({ to })} />
    </FilterBar>
  );
};

const Day = ({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) => (
  <label className={classes.day} title={`A day on the clocks of ${browserZone()}`}>
    <span>{label}</span>
    <TextInput type="date" size="xs" value={value} onChange={(event) => onChange(event.currentTarget.value)} />
  </label>
);

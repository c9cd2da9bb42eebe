import { MultiSelect, SegmentedControl } from "@mantine/core";
import type { SiteMode } from "@/api/filters";
import type { Choice } from "./tree-context";

interface SitesChoiceProps {
  mode: SiteMode;
  ids: readonly number[];
  sites: readonly Choice[];
  error: string | null;
  isReadOnly: boolean;
  onChange: (patch: { site_mode: SiteMode; site_ids: number[] }) => void;
}

const MODES: readonly { value: SiteMode; label: string }[] = [
  { value: "all", label: "All my sites" },
  { value: "only", label: "Only" },
  { value: "except", label: "All but" },
];

/** At which sites devices are looked for. */
export const SitesChoice = ({ mode, ids, sites, error, isReadOnly, onChange }: SitesChoiceProps) => (
  <div style={{ display: "flex", flexWrap: "wrap", gap: "0.5rem", alignItems: "start" }}>
    <SegmentedControl
      size="xs"
      aria-label="At which sites"
      data={[...MODES]}
      value={mode}
      disabled={isReadOnly}
      onChange={(value) => {
        const next = MODES.find((one) => one.value === value)?.value ?? "all";
        onChange({ site_mode: next, site_ids: next === "all" ? [] : [...ids] });
      }}
    />
    {mode !== "all" && (
      <MultiSelect
        size="xs"
        aria-label="Sites"
        placeholder={ids.length ? undefined : "Choose sites"}
        searchable
        data={[...sites]}
        value={ids.map(String)}
        error={error}
        disabled={isReadOnly}
        onChange={(chosen) => onChange({ site_mode: mode, site_ids: chosen.map(Number) })}
        style={{ flex: "1 1 14rem" }}
      />
    )}
    {mode === "all" && error && <span role="alert">{error}</span>}
  </div>
);

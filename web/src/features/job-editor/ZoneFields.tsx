import { Select } from "@mantine/core";
import { browserZone } from "@/lib/time";
import classes from "./job-editor.module.css";
import type { JobForm } from "./use-job-form";

const SOURCES = [
  { value: "fixed", label: "One zone for all devices" },
  { value: "site", label: "Those of each device's site" },
  { value: "device", label: "Those of each device" },
];
const MEANS: Readonly<Record<string, string>> = {
  fixed: "All devices start at the same instant.",
  site: "Three in the morning is three in the morning at each site: they start zone by zone.",
  device: "Three in the morning is three in the morning on each device: they start zone by zone.",
};

/** Those at hand first, as only a part of the list is drawn before one types. */
const zones = (chosen: string): string[] => [
  ...new Set([...(chosen ? [chosen] : []), browserZone(), "UTC", ...Intl.supportedValuesOf("timeZone")]),
];

/** On whose clocks the times are read. `isFixed`: there are no devices yet whose clocks could be followed. */
export const ZoneFields = ({ form, isFixed = false }: { form: JobForm; isFixed?: boolean }) => {
  const { draft, schedule, fault } = form;
  const { timezone, timezone_source } = draft.schedule;
  return (
    <div className={classes.pair}>
      {!isFixed && (
        <Select
          label="Whose clocks"
          description={MEANS[timezone_source]}
          inputWrapperOrder={["label", "input", "description", "error"]}
          data={SOURCES}
          value={timezone_source}
          allowDeselect={false}
          onChange={(chosen) => {
            const source = chosen === "site" || chosen === "device" ? chosen : "fixed";
            schedule({ timezone_source: source, timezone: timezone || browserZone() });
          }}
          error={fault("schedule.timezone_source")}
        />
      )}
      {timezone_source === "fixed" && (
        <Select
          label="Time zone"
          searchable
          limit={100}
          nothingFoundMessage="No zone is called so. Try a large city."
          data={zones(timezone)}
          value={timezone || null}
          allowDeselect={false}
          onChange={(chosen) => chosen && schedule({ timezone: chosen })}
          error={fault("schedule.timezone")}
        />
      )}
    </div>
  );
};

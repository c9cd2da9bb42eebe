import { Select } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { filtersByName } from "@/api/pickers";
import { useSites } from "@/api/sites";
import { DevicePicker } from "./DevicePicker";
import { JobPicker } from "./JobPicker";

interface Attachment {
  kind: "global" | "site" | "device" | "job" | "filter";
  site_id?: number | null;
  device_id?: string | null;
  job_id?: number | null;
  filter_id?: number | null;
}

interface AttachmentPickerProps {
  value: Attachment;
  error: string | undefined;
  onChange: (value: Attachment) => void;
}

const options = (things: readonly { id: number; name: string }[]) =>
  things.map((one) => ({ value: String(one.id), label: one.name }));

/** The thing that a window is for, by its kind. */
export const AttachmentPicker = ({ value, error, onChange }: AttachmentPickerProps) => {
  const { kind } = value;
  const sites = useSites();
  const filters = useQuery({ ...filtersByName(), enabled: kind === "filter" }).data ?? [];
  if (kind === "device")
    return (
      <DevicePicker
        label="Which device"
        value={value.device_id ?? null}
        error={error}
        onChange={(device_id) => onChange({ kind, device_id })}
      />
    );
  if (kind === "job")
    return (
      <JobPicker
        label="Which job"
        size="sm"
        value={value.job_id ?? null}
        error={error}
        onChange={(job_id) => onChange({ kind, job_id })}
      />
    );
  const isSite = kind === "site";
  const id = isSite ? value.site_id : value.filter_id;
  return (
    <Select
      aria-label={isSite ? "Which site" : "Which device filter"}
      placeholder={isSite ? "Which site" : "Which device filter"}
      searchable
      data={options(isSite ? sites : filters)}
      value={id ? String(id) : null}
      error={error}
      onChange={(chosen) => {
        const number = chosen === null ? null : Number(chosen);
        onChange(isSite ? { kind, site_id: number } : { kind, filter_id: number });
      }}
    />
  );
};

import type { DevicesQuery } from "@/api/devices";
import { flag, oneOf, oneOfOr, text, texts, type Values, wholeNumber } from "@/lib/search-params";

export const OS_FAMILIES = [
  { value: "linux", label: "Linux" },
  { value: "windows", label: "Windows" },
  { value: "macos", label: "macOS" },
] as const;

export const PRESENCES = [
  { value: "true", label: "Online" },
  { value: "false", label: "Offline" },
] as const;

export const STATUSES = [
  { value: "active", label: "Active" },
  { value: "disabled", label: "Disabled" },
  { value: "revoked", label: "Revoked" },
] as const;

const SORTS = ["hostname", "-hostname", "last_seen", "-last_seen"] as const;

/** The state of the list of devices in its address; the names are those of the API's list. */
export const DEVICE_FILTERS = {
  q: text(),
  site_id: wholeNumber(),
  os_family: oneOf(OS_FAMILIES.map((one) => one.value)),
  online: flag(),
  status: oneOf(STATUSES.map((one) => one.value)),
  tag: text(),
  filter_id: wholeNumber(),
  sort: oneOfOr(SORTS, "hostname"),
  columns: texts(),
  view: wholeNumber(),
};

export const queryOf = (state: Values<typeof DEVICE_FILTERS>): DevicesQuery => ({
  q: state.q || undefined,
  site_id: state.site_id ?? undefined,
  os_family: state.os_family ?? undefined,
  online: state.online ?? undefined,
  status: state.status ?? undefined,
  tag: state.tag || undefined,
  filter_id: state.filter_id ?? undefined,
  sort: state.sort,
});

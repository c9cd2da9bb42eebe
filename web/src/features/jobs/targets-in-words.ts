import type { Job } from "@/api/jobs";

const several = (names: readonly string[], one: string, many: string): string =>
  names.length === 0 ? "" : names.length <= 2 ? `${one}: ${names.join(", ")}` : `${names.length} ${many}`;

/** Whom a job means, short: what it names, not whom that finds. */
export const targetsInWords = ({ devices, online, excluded, filters, sites, all_devices }: Job["target_summary"]): string => {
  const parts = [
    all_devices ? "all devices" : "",
    several(filters, "filter", "filters"),
    several(sites, "site", "sites"),
    devices
      ? `${devices.toLocaleString("en")} ${devices === 1 ? "device" : "devices"}${online === null ? "" : ` (${online} online)`}`
      : "",
    excluded ? `without ${excluded.toLocaleString("en")}` : "",
  ];
  return parts.filter(Boolean).join(" · ") || "no targets";
};

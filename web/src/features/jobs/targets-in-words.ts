import type { Job } from "@/api/jobs";

const several = (names: readonly string[], one: string, many: string): string =>
  names.length === 0 ? "" : names.length <= 2 ? `${one}: ${names.join(", ")}` : `${names.length} ${many}`;

/** Of a job that looks for machines: at which site, and at how many addresses it looked last. */
export const addressesInWords = ({
  target_summary,
  last_occurrence,
}: Pick<Job, "target_summary" | "last_occurrence">): string => {
  const number = Object.values(last_occurrence?.counts ?? {}).reduce((sum, one) => sum + one, 0);
  const where = target_summary.sites.join(", ") || "a site that you do not see";
  return number ? `${where} · ${number.toLocaleString("en")} ${number === 1 ? "address" : "addresses"}` : `${where} · addresses`;
};

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

import { createKeptStore, useStore } from "./store";
import { type ZoneChoice, zoneOf } from "./time";

const CHOICES: readonly ZoneChoice[] = ["mine", "site", "utc"];

/** Whose clocks times are shown on. Kept in this browser: an address that is shared means the same instants to everybody. */
export const zoneStore = createKeptStore<ZoneChoice>("watchbill.zone", "mine", (value): value is ZoneChoice =>
  CHOICES.includes(value as ZoneChoice),
);

/** The zone to show a time in; `siteZone` is that of the thing whose time it is. */
export const useZone = (siteZone?: string | null): string => zoneOf(useStore(zoneStore), siteZone);

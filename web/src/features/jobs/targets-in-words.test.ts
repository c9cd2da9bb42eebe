import { expect, it } from "vitest";
import { targetsInWords } from "./targets-in-words";

const NONE = { devices: 0, excluded: 0, online: 0, filters: [], sites: [], all_devices: false };

it.each([
  [{}, "no targets"],
  [{ devices: 1, online: 1 }, "1 device (1 online)"],
  [{ devices: 1200, online: null }, "1,200 devices"],
  [{ filters: ["Servers"], excluded: 2 }, "filter: Servers · without 2"],
  [{ sites: ["A", "B", "C"], all_devices: true }, "all devices · 3 sites"],
])("says %o as %s", (some, said) => {
  expect(targetsInWords({ ...NONE, ...some })).toBe(said);
});

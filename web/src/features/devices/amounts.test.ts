import { expect, it } from "vitest";
import { bytes, deviceCount, systemOf } from "./amounts";

it("tells bytes in the unit that people use", () => {
  expect([null, 0, 900, 1024, 8_375_000_000, 549_755_813_888].map(bytes)).toEqual([
    null,
    "0 bytes",
    "900 bytes",
    "1 KiB",
    "7.8 GiB",
    "512 GiB",
  ]);
});

it("counts and names", () => {
  expect([deviceCount(1), deviceCount(1200)]).toEqual(["1 device", "1,200 devices"]);
  expect(systemOf({ os_name: "Debian", os_version: "13", arch: "" })).toBe("Debian 13");
});

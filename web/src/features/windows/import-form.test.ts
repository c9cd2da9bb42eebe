import { expect, it } from "vitest";
import { askable, attachText, EMPTY_IMPORT, withFile } from "./import-form";

it("takes the name of the file, unless somebody gave one", () => {
  expect(withFile(EMPTY_IMPORT, "Holidays 2027.ICS", "x").name).toBe("Holidays 2027");
  expect(withFile({ ...EMPTY_IMPORT, name: "Mine" }, "a.ics", "x").name).toBe("Mine");
});

it("says what it covers as the Engine reads it", () => {
  expect(attachText({ kind: "global" })).toBe("global");
  expect(attachText({ kind: "site", site_id: 3 })).toBe("site:3");
  expect(attachText({ kind: "device", device_id: "0f2e" })).toBe("device:0f2e");
});

it("asks once there is a file, a name and all that it covers", () => {
  const file = withFile(EMPTY_IMPORT, "Holidays.ics", "BEGIN:VCALENDAR");
  expect(askable(EMPTY_IMPORT).lacking).toBe("Choose a file first.");
  expect(askable({ ...file, name: " " }).lacking).toBe("It has no name yet.");
  expect(askable(file).words).toBeNull();
  expect(askable({ ...file, attachments: [] }).words).toBeNull();
  expect(askable({ ...file, attachments: [{ kind: "global" }] }).words).toEqual({
    name: "Holidays",
    kind: "deny",
    when_closed: "skip",
    attach: ["global"],
  });
  expect(askable({ ...file, attachments: [{ kind: "global" }], timezone: "UTC" }).words?.timezone).toBe("UTC");
});

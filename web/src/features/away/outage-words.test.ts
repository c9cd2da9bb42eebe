import { expect, it } from "vitest";
import { hitBy, hitInWords } from "./outage-words";

const totals = { jobs: 4, missed: 20, held: 8, late: 0, decided: 0 };

it("says how much a decision hits before it is made", () => {
  expect(hitInWords(hitBy("all", totals))).toBe("8 held occurrences");
  expect(hitInWords(hitBy([{ held: 2 }, { held: 1 }, { held: 0 }], totals))).toBe("3 held occurrences of 2 jobs");
  expect(hitInWords(hitBy([{ held: 1 }], totals))).toBe("1 held occurrence of 1 job");
});

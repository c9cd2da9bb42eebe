import { expect, it } from "vitest";
import { readAll } from "@/lib/url-state";
import { isFiltered, LEDGER_FILTERS, queryOf, reasonInWords } from "./ledger-filters";

const read = (raw: Record<string, string>) => readAll(LEDGER_FILTERS, raw);

it("asks for what did not happen, unless told otherwise", () => {
  expect(queryOf(read({}), {})).toMatchObject({ state: ["held", "missed", "skipped"], sort: "-time", late: undefined });
  expect(queryOf(read({ show: "late" }), {})).toMatchObject({ state: undefined, late: true });
  expect(queryOf(read({ show: "all", reason: "overlap", job_id: "7" }), { from: "x" })).toMatchObject({
    state: undefined,
    reason: ["overlap"],
    job_id: 7,
    from: "x",
  });
});

it("knows a filter from a way of looking", () => {
  expect(isFiltered(read({ show: "held" }))).toBe(false);
  expect(isFiltered(read({ range: "24h" }))).toBe(true);
});

it("has words also for a reason that it does not know yet", () => {
  expect(reasonInWords("overlap")).toBe("Run before still going");
  expect(reasonInWords("solar_flare")).toBe("solar flare");
  expect(reasonInWords(null)).toBe("–");
});

import { expect, it } from "vitest";
import { newDraft, type ScheduleDraft } from "./form";
import { readRule, writeRule } from "./rule-parts";
import { cronOf, plainOf, ruleOf, withKind } from "./schedule";

const TODAY = new Date(2026, 10, 29); // a Sunday
const schedule = (some: Partial<ScheduleDraft>): ScheduleDraft => ({ ...newDraft("Europe/Berlin").schedule, ...some });

it.each([
  [{ type: "every_15_minutes" }, "*/15 * * * *", "FREQ=MINUTELY;INTERVAL=15"],
  [{ type: "hourly" }, "0 * * * *", "FREQ=HOURLY"],
  [{ type: "daily", start: "2026-05-04T07:05" }, "5 7 * * *", "FREQ=DAILY"],
  [{ type: "weekly", start: "2026-05-04T07:05" }, "5 7 * * mon", "FREQ=WEEKLY"],
  [{ type: "monthly", start: "2026-05-04T07:05" }, "5 7 4 * *", "FREQ=MONTHLY"],
  [{ type: "yearly", start: "2026-05-04T07:05" }, "5 7 4 5 *", "FREQ=YEARLY"],
])("says %o as cron and as a rule, and back", (some, cron, rule) => {
  const plain = schedule(some);
  expect([cronOf(plain), ruleOf(plain)]).toEqual([cron, rule]);
  for (const kind of ["cron", "rrule"]) {
    const custom = withKind(plain, kind, TODAY);
    expect(plainOf(custom, TODAY)?.type).toBe(plain.type);
    expect(withKind(custom, plain.type, TODAY)).toMatchObject({ type: plain.type, start: plain.start || custom.start });
  }
});

it("does not claim to say what cron and rules cannot", () => {
  expect(cronOf(schedule({ type: "monthly", start: "2026-05-31T07:00" }))).toBeNull();
  expect(ruleOf(schedule({ type: "monthly", start: "2026-05-31T07:00" }))).toBeNull();
  expect(ruleOf(schedule({ type: "yearly", start: "2028-02-29T07:00" }))).toBeNull();
  for (const expression of ["*/7 3 * * *", "0 3 * * mon-fri", "0 3 31 * *", "0 3 1 * mon", "0 3 * *", "61 3 * * *"]) {
    expect(plainOf(schedule({ type: "cron", expression }), TODAY)).toBeNull();
  }
  expect(plainOf(schedule({ type: "rrule", rule: "FREQ=DAILY", exdate: ["2026-05-04T07:00"] }), TODAY)).toBeNull();
});

it("finds a first day that fits the expression", () => {
  const weekly = schedule({ type: "cron", expression: "30 3 * * tue", start: "2026-05-04T07:00" });
  expect(plainOf(weekly, TODAY)).toEqual({ type: "weekly", start: "2026-12-01T03:30" });
  expect(plainOf({ ...weekly, expression: "30 3 * * mon" }, TODAY)).toEqual({ type: "weekly", start: "2026-05-04T03:30" });
});

it("keeps an expression of one's own while another kind is looked at", () => {
  const own = schedule({ type: "cron", expression: "*/7 3 * * mon-fri" });
  const away = withKind(own, "daily", TODAY);
  expect(away.start).toBe("2026-11-30T03:00");
  expect(withKind(away, "cron", TODAY).expression).toBe("*/7 3 * * mon-fri");
});

it.each([
  "FREQ=DAILY",
  "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR",
  "FREQ=MONTHLY;BYDAY=2TU",
  "FREQ=MONTHLY;BYDAY=-1FR",
  "FREQ=MONTHLY;BYMONTHDAY=-1",
  "FREQ=YEARLY;INTERVAL=3",
])("reads and writes %s", (text) => {
  const parts = readRule(text);
  expect(parts && writeRule(parts)).toBe(text);
});

it.each([
  "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=1",
  "FREQ=MONTHLY;BYDAY=MO,TU",
  "FREQ=HOURLY",
  "FREQ=WEEKLY;UNTIL=20270101",
  "nonsense",
  "",
])("leaves %s as a text", (text) => {
  expect(readRule(text)).toBeNull();
});

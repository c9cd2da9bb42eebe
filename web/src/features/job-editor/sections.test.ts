import { expect, it } from "vitest";
import { faultOf, sectionOf, shownProblems } from "./sections";

it.each([
  ["name", "name"],
  ["tags.3", "name"],
  ["components.0.variables.Token", "assemblies"],
  ["policies.retry_on.1", "assemblies"],
  ["exclusions.2.site_id", "targets"],
  ["policies.max_change_percent", "targets"],
  ["schedule.exdate[0]", "schedule"],
  ["policies.no_user_session", "context"],
  ["policies.waves.sizes.0", "policies"],
  ["duration.run_limit_seconds", "policies"],
  ["something_new", "name"],
])("finds %s in the section %s", (field, section) => {
  expect(sectionOf(field)).toBe(section);
});

const problem = (field: string, code: string) => ({ field, code, message: `${field} is ${code}` });
const LACKING = problem("targets", "length");
const WRONG = problem("schedule.expression", "invalid_cron");

it("blames nobody for what is not filled in yet, until a save was tried", () => {
  const nobody = problem("targets", "no_eligible_targets");
  expect(shownProblems([LACKING, nobody, WRONG], [], false)).toEqual([WRONG]);
  expect(shownProblems([LACKING, WRONG], [WRONG, problem("policies.new", "odd")], true).map((one) => one.field)).toEqual([
    "targets",
    "schedule.expression",
    "policies.new",
  ]);
  expect(shownProblems([nobody], [], false)).toEqual([nobody]);
});

it("tells the faults of a field, and of its parts where asked", () => {
  const all = [problem("schedule.exdate[1]", "invalid_time"), problem("schedule.exdates", "odd")];
  expect(faultOf(all, "schedule.exdate")).toBeUndefined();
  expect(faultOf(all, "schedule.exdate", true)).toBe("schedule.exdate[1] is invalid_time");
});

it("says of what is lacking that it is lacking", () => {
  const [found] = shownProblems([LACKING], [], true);
  expect(found?.message).toBe("are not chosen yet");
});

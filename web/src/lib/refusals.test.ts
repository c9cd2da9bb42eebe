import { expect, it } from "vitest";
import { refusedAt, refusedElsewhere } from "./refusals";

const problem = {
  title: "Invalid content",
  detail: "The window has 2 problems.",
  status: 422,
  errors: [
    { field: "spans.0.schedule.start", message: "must be a wall clock" },
    { field: "name", message: "another window has this name" },
  ],
};

it("says of a field all that is wrong with it and with what lies below it", () => {
  const said = refusedAt(problem);
  expect(said("spans.0")).toBe("Must be a wall clock.");
  expect(said("name")).toBe("Another window has this name.");
  expect(said("span")).toBeUndefined();
  expect(refusedAt(null)("name")).toBeUndefined();
});

it("leaves for below the form only what no control says", () => {
  expect(refusedElsewhere(problem, ["name"])?.errors).toHaveLength(1);
  expect(refusedElsewhere(problem, ["name", "spans"])).toBeNull();
  expect(refusedElsewhere({ ...problem, errors: [] }, ["name"])?.detail).toBe("The window has 2 problems.");
});

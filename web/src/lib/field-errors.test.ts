import { expect, it } from "vitest";
import { fieldErrors, restOf } from "./field-errors";

const problem = {
  title: "Invalid",
  status: 422,
  errors: [
    { field: "name", message: "is required" },
    { field: "name", message: "is too short" },
    { field: "site_ids.0", message: "there is no site 7" },
  ],
};

it("tells everything that is wrong with a field", () => {
  expect(fieldErrors(problem.errors)).toEqual({ name: "is required; is too short", "site_ids.0": "there is no site 7" });
});

it("leaves to an alert what no field shows", () => {
  expect(restOf(problem, ["name"])?.errors).toEqual([{ field: "site_ids.0", message: "there is no site 7" }]);
  expect(restOf(problem, ["name", "site_ids.0"])).toBeNull();
  expect(restOf({ title: "Conflict", errors: [] }, ["name"])?.title).toBe("Conflict");
  expect(restOf(null, [])).toBeNull();
});

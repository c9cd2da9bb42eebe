import { expect, it } from "vitest";
import { fieldInWords, valueInWords } from "./field-words";

it.each([
  ["policies.overlap", "Overlap"],
  ["components.0.variables.MAX_AGE", "Component 1 · MAX_AGE"],
  ["components.2", "Component 3"],
  ["targets.filter:7", "Target"],
  ["policies.waves.stop.failed_percent", "Waves · stop · failed percent"],
  ["policies.some_new_one", "Some new one"],
])("calls %s “%s”", (field, words) => {
  expect(fieldInWords(field)).toBe(words);
});

it.each([
  ["duration.time_limit_seconds", 5400, "1 h 30 min"],
  ["policies.failure_threshold_percent", 20, "20 %"],
  ["policies.catch_up", "queue_one", "queue one"],
  ["components.0.variables.Token", { is_set: true }, "a secret"],
  ["components.0.variables.Token", { is_set: "anew" }, "another secret"],
  ["tags", ["night", "print"], "night, print"],
  ["schedule.end", null, "–"],
])("says %s %o as %s", (field, value, words) => {
  expect(valueInWords(field, value)).toBe(words);
});

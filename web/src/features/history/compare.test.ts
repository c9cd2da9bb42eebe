import { expect, it } from "vitest";
import type { OutputGroup } from "@/api/runs";
import { changedVariables, compareComponents, compareGroups } from "./compare";

const component = (content: string, variables: Record<string, unknown> = {}) => ({
  position: 0,
  assembly_id: "a-1",
  name: "Trim",
  revision: 1,
  content_sha256: content,
  interpreter: "bash",
  variables,
  role: "run" as const,
  not_compliant_exit_codes: [],
});
const group = (output: string, devices: number) => ({ output, devices }) as OutputGroup;

it("knows the same content by its digest, and tells a component more or fewer", () => {
  const [first, second] = compareComponents([component("x")], [component("x"), component("y")]);
  expect([first?.isSame, second?.isSame, second?.before]).toEqual([true, false, null]);
});

it("tells variables that changed, and of a secret only that it is set", () => {
  const [one] = compareComponents(
    [component("x", { hours: 8, path: "/tmp", key: { is_set: true } })],
    [component("x", { hours: 9, path: "/tmp", key: { is_set: true }, new: "" })],
  );
  expect(one && changedVariables(one)).toEqual([
    { name: "hours", before: "8", after: "9" },
    { name: "new", before: null, after: "" },
  ]);
});

it("puts outputs first that only one of the two has", () => {
  const found = compareGroups([group("same", 90), group("gone", 2)], [group("same", 91), group("new", 1)]);
  expect(found.map(({ name, before, after }) => [name, before, after])).toEqual([
    ["new", 0, 1],
    ["gone", 2, 0],
    ["same", 90, 91],
  ]);
});

import { expect, it } from "vitest";
import { changesBetween, rebase } from "./changes";
import { addedComponent, type Draft, newDraft } from "./form";

const device = (id: string) => ({ kind: "device" as const, device_id: id });
const BASE: Draft = {
  ...newDraft("UTC"),
  name: "Sweep",
  components: [addedComponent({ id: "one", kind: "script" })],
  targets: [device("a"), device("b")],
};
const component = (variables: Record<string, unknown>) => ({ ...addedComponent({ id: "one", kind: "script" }), variables });

it("tells each field that differs, and nothing of what does not", () => {
  const after: Draft = {
    ...BASE,
    name: "Sweep all",
    targets: [device("b"), { kind: "filter", filter_id: 7 }],
    policies: { ...BASE.policies, retries: 2 },
    components: [component({ Token: { typed_secret: "horse" } })],
  };
  expect(changesBetween(BASE, BASE)).toEqual([]);
  expect(changesBetween(BASE, after)).toEqual([
    { field: "name", before: "Sweep", after: "Sweep all" },
    { field: "components.0.variables.Token", before: null, after: { is_set: "anew" } },
    { field: "targets.a", before: device("a"), after: null },
    { field: "targets.filter:7", before: null, after: { kind: "filter", filter_id: 7 } },
    { field: "policies.retries", before: 0, after: 2 },
  ]);
});

it("tells a component that came as one thing", () => {
  const after = { ...BASE, components: [...BASE.components, addedComponent({ id: "two", kind: "script" })] };
  expect(changesBetween(BASE, after).map((one) => [one.field, one.before])).toEqual([["components.1", null]]);
});

it("tells a new order of targets", () => {
  const [first, second] = BASE.targets;
  if (!first || !second) throw new Error("targets");
  expect(changesBetween(BASE, { ...BASE, targets: [second, first] }).map((one) => one.field)).toEqual(["targets.order"]);
});

it("puts my changes onto what somebody else saved meanwhile", () => {
  const mine: Draft = {
    ...BASE,
    name: "Sweep mine",
    targets: [device("b"), device("c")],
    components: [component({ Age: 4 })],
  };
  const theirs: Draft = {
    ...BASE,
    description: "Told by them.",
    targets: [device("a"), device("b"), device("d")],
    components: [component({ Depth: 2 })],
    policies: { ...BASE.policies, retries: 3 },
  };
  const { draft, clashes } = rebase(BASE, mine, theirs);
  expect(clashes).toEqual([]);
  expect(draft).toMatchObject({
    name: "Sweep mine",
    description: "Told by them.",
    targets: [device("b"), device("d"), device("c")],
  });
  expect(draft.components[0]?.variables).toEqual({ Depth: 2, Age: 4 });
  expect(draft.policies.retries).toBe(3);
});

it("keeps mine where both changed the same, and says so", () => {
  const mine: Draft = { ...BASE, name: "Mine", components: [component({ Token: { typed_secret: "horse" } })] };
  const theirs: Draft = { ...BASE, name: "Theirs", components: [component({ Token: { is_set: true } })] };
  const { draft, clashes } = rebase(BASE, mine, theirs);
  expect(draft.name).toBe("Mine");
  expect(draft.components[0]?.variables).toEqual({ Token: { typed_secret: "horse" } });
  expect(clashes.map((one) => one.field)).toEqual(["name", "components.0.variables.Token"]);
  expect(JSON.stringify(clashes)).not.toContain("horse");
});

import { describe, expect, it } from "vitest";
import type { FilterField } from "@/api/filters";
import { isComplete, shapeOf, withField } from "./fields";
import { createCriterion, criteriaOf } from "./tree";
import { placeErrors, wrongAt } from "./tree-errors";
import { jsonOf, treeOf } from "./tree-json";

const field = (name: string, kind: string, operators: string[], choices: string[] = []): FilterField => ({
  name,
  label: name,
  kind,
  operators,
  choices,
  unit: null,
  example: "web",
});
const ALL = [
  field("hostname", "text", ["equals", "not_equals", "in", "is_known"]),
  field("os_family", "choice", ["is", "in"], ["linux", "windows"]),
  field("site", "site", ["is", "in", "is_unknown"]),
  field("ram_bytes", "size", ["equals", "higher"]),
  field("os_version", "version", ["equals", "lower"]),
  field("online", "boolean", ["is_true", "is_false"]),
  field("tags", "tags", ["has", "has_any"]),
  field("software", "software", ["installed", "not_installed"]),
  field("custom.until", "date", ["before"]),
];
const FIELDS = new Map(ALL.map((one) => [one.name, one]));
const of = (name: string): FilterField => FIELDS.get(name) ?? field(name, "text", []);

describe("between tree and JSON", () => {
  const criteria = {
    all: [
      { field: "os_family", operator: "is", value: "linux" },
      {
        any: [
          { field: "hostname", operator: "in", value: ["web-1", "web-2"] },
          { field: "site", operator: "in", value: [3, 4] },
          { field: "ram_bytes", operator: "higher", value: 8589934592 },
          { field: "ram_bytes", operator: "higher", value: "8 GiB" },
          { field: "os_version", operator: "lower", value: "12" },
        ],
      },
      {
        not: {
          field: "software",
          operator: "installed",
          value: { name: "openssl", name_operator: "equals", version: "3.0", version_operator: "lower" },
        },
      },
      {
        not: {
          any: [
            { field: "online", operator: "is_false" },
            { field: "tags", operator: "has_any", value: ["prod"] },
          ],
        },
      },
    ],
  };

  it("brings everything that a filter can say there and back", () => {
    expect(jsonOf(treeOf(criteria), FIELDS)).toEqual(criteria);
  });

  it("wraps a criterion that is alone, and what is turned round twice", () => {
    const alone = { field: "hostname", operator: "equals", value: "web" };
    expect(jsonOf(treeOf(alone), FIELDS)).toEqual({ all: [alone] });
    expect(jsonOf(treeOf({ not: { not: alone } }), FIELDS)).toEqual({ not: { all: [{ not: alone }] } });
  });

  it("begins with one empty question, and leaves what is not filled in to the Engine's words", () => {
    expect(criteriaOf(treeOf({}))).toHaveLength(1);
    const half = createCriterion({ field: "ram_bytes", operator: "higher", text: "much" });
    expect(jsonOf(half, FIELDS)).toEqual({ field: "ram_bytes", operator: "higher", value: "much" });
    expect(jsonOf({ ...half, text: "" }, FIELDS)).toEqual({ field: "ram_bytes", operator: "higher" });
  });
});

describe("where a refusal belongs", () => {
  const tree = treeOf({
    all: [
      { field: "hostname", operator: "equals", value: "a" },
      { not: { any: [{ not: { field: "tags", operator: "has", value: "" } }] } },
    ],
  });
  const [first, second] = criteriaOf(tree);
  const group = tree.nodes[1];

  it("is the innermost node that the place names", () => {
    const { placed, rest } = placeErrors(tree, [
      { field: "criteria.all.0.value", message: "too long" },
      { field: "criteria.all.1.not.any.0.not.value", message: "is required" },
      { field: "criteria.all.1.not.any", message: "empty" },
      { field: "criteria", message: "too slow" },
      { field: "name", message: "is taken" },
    ]);
    expect(placed.get(first?.id ?? 0)).toEqual([{ part: "value", message: "too long" }]);
    expect(placed.get(second?.id ?? 0)).toEqual([{ part: "value", message: "is required" }]);
    expect(placed.get(group?.id ?? 0)).toEqual([{ part: "any", message: "empty" }]);
    expect(placed.get(tree.id)).toEqual([{ part: "", message: "too slow" }]);
    expect(rest).toEqual([{ field: "name", message: "is taken" }]);
  });

  it("is not a node whose number only begins alike", () => {
    const many = treeOf({ all: Array.from({ length: 11 }, () => ({ field: "hostname", operator: "is_known" })) });
    const { placed } = placeErrors(many, [{ field: "criteria.all.10.operator", message: "no" }]);
    expect([...placed.keys()]).toEqual([many.nodes[10]?.id]);
  });

  it("tells all of a part in one text", () => {
    const wrong = [
      { part: "value.name", message: "is required" },
      { part: "value.version", message: "is no version" },
      { part: "operator", message: "is none" },
    ];
    expect(wrongAt(wrong, "value")).toBe("is required; is no version");
    expect(wrongAt(wrong, "field")).toBeNull();
  });
});

describe("the value that a question needs", () => {
  it("has a shape by kind and operator", () => {
    const shape = (name: string, operator: string) => shapeOf(of(name), operator);
    expect([shape("hostname", "equals"), shape("hostname", "in"), shape("hostname", "is_known")]).toEqual([
      "text",
      "list",
      "none",
    ]);
    expect([shape("os_family", "is"), shape("site", "in"), shape("tags", "has_any")]).toEqual(["choice", "choices", "list"]);
    expect([shape("online", "is_true"), shape("custom.until", "before"), shape("software", "installed")]).toEqual([
      "none",
      "date",
      "software",
    ]);
  });

  it("is complete only when it is there", () => {
    const one = createCriterion({ field: "software", operator: "installed" });
    expect(isComplete(one, of("software"))).toBe(false);
    expect(isComplete({ ...one, software: { ...one.software, name: "ssl" } }, of("software"))).toBe(true);
    expect(isComplete({ ...one, software: { ...one.software, name: "ssl", version: "3" } }, of("software"))).toBe(false);
    expect(isComplete(createCriterion({ field: "online", operator: "is_true" }), of("online"))).toBe(true);
    expect(isComplete(createCriterion(), undefined)).toBe(false);
  });

  it("goes when the new field is of another kind, and the operator when it has no such one", () => {
    const before = createCriterion({ field: "hostname", operator: "equals", text: "web" });
    expect(withField(before, of("os_version"), "text")).toMatchObject({ field: "os_version", operator: "equals", text: "" });
    expect(withField(before, of("hostname"), "text")).toEqual({ field: "hostname", operator: "equals" });
    expect(withField(before, of("tags"), "text")).toMatchObject({ operator: "has" });
  });
});

import type { FilterField } from "@/api/filters";
import { shapeOf } from "./fields";
import { createCriterion, createGroup, type Criterion, emptyTree, type Group, NO_SOFTWARE, type TreeNode } from "./tree";

/** Between the tree that is edited and the criteria as the API has them. */

export type Json = Record<string, unknown>;
export type Fields = ReadonlyMap<string, FilterField>;

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const asText = (value: unknown): string =>
  typeof value === "string" ? value : typeof value === "number" || typeof value === "boolean" ? String(value) : "";

/** The criteria of the API as a tree whose root is a group. What is not understood becomes an empty question. */
export const treeOf = (criteria: unknown): Group => {
  if (!isObject(criteria) || Object.keys(criteria).length === 0) return emptyTree();
  const node = nodeOf(criteria);
  return node.type === "group" ? node : createGroup([node]);
};

const nodeOf = (json: unknown): TreeNode => {
  if (!isObject(json)) return createCriterion();
  if ("not" in json) return turned(nodeOf(json["not"]));
  for (const mode of ["all", "any"] as const) {
    const nodes = json[mode];
    if (Array.isArray(nodes)) return createGroup(nodes.map(nodeOf), { mode });
  }
  return criterionOf(json);
};

/** A node that is turned round already is wrapped: two negations one after the other stay two. */
const turned = (node: TreeNode): TreeNode =>
  node.isNegated ? createGroup([node], { isNegated: true }) : { ...node, isNegated: true };

const criterionOf = (json: Json): Criterion => {
  const { value } = json;
  return createCriterion({
    field: asText(json["field"]),
    operator: asText(json["operator"]),
    text: asText(value),
    list: Array.isArray(value) ? value.map(asText) : [],
    software: isObject(value) ? softwareOf(value) : NO_SOFTWARE,
  });
};

const softwareOf = (value: Json) => ({
  name: asText(value["name"]),
  name_operator: asText(value["name_operator"]) || "equals",
  version_operator: asText(value["version_operator"]),
  version: asText(value["version"]),
  source: asText(value["source"]),
});

export const jsonOf = (node: TreeNode, fields: Fields): Json => {
  const inner = node.type === "group" ? { [node.mode]: node.nodes.map((one) => jsonOf(one, fields)) } : asked(node, fields);
  return node.isNegated ? { not: inner } : inner;
};

const asked = (one: Criterion, fields: Fields): Json => {
  const field = fields.get(one.field);
  const value = valueOf(one, field);
  return { field: one.field, operator: one.operator, ...(value === undefined ? {} : { value }) };
};

const valueOf = (one: Criterion, field: FilterField | undefined): unknown => {
  switch (shapeOf(field, one.operator)) {
    case "none":
      return undefined;
    case "software":
      return Object.fromEntries(Object.entries(one.software).filter(([, text]) => text !== ""));
    case "list":
    case "choices":
      return one.list.map((text) => plain(text, field));
    case "text":
    case "choice":
    case "date":
      return one.text === "" ? undefined : plain(one.text, field);
  }
};

const NUMERIC = new Set(["site", "integer", "number", "size", "duration"]);

/** A number where the field is one; `8 GiB` and what is no number stay texts, which the Engine reads or refuses. */
const plain = (text: string, field: FilterField | undefined): string | number =>
  field && NUMERIC.has(field.kind) && /^-?\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text;

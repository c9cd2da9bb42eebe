import type { FilterField } from "@/api/filters";
import { type Criterion, NO_SOFTWARE } from "./tree";

/** The shape of the value that each operator takes; which operators a field has is told by the Engine. */
const WITHOUT_VALUE = new Set(["is_known", "is_unknown", "is_true", "is_false"]);
const WITH_LIST = new Set(["in", "not_in", "has_any", "has_all"]);

export type ValueShape = "none" | "text" | "list" | "choice" | "choices" | "date" | "software";

export const shapeOf = (field: FilterField | undefined, operator: string): ValueShape => {
  if (!field || !operator || WITHOUT_VALUE.has(operator)) return "none";
  if (field.kind === "software") return "software";
  const isChosen = field.kind === "choice" || field.kind === "site";
  if (WITH_LIST.has(operator)) return isChosen ? "choices" : "list";
  if (isChosen) return "choice";
  return field.kind === "date" ? "date" : "text";
};

/** `lower_or_equal` as people read it. */
export const operatorWord = (operator: string): string => operator.replaceAll("_", " ");

const labelled = (label: string): string => label.charAt(0).toUpperCase() + label.slice(1);
export const fieldWord = (field: FilterField): string => labelled(field.label);

/** A hint in an empty value: an example as the Engine gives it. */
export const exampleOf = (field: FilterField): string =>
  typeof field.example === "string" || typeof field.example === "number" ? `such as ${field.example}` : "";

/** Another field asked about: its first operator where it has not the one of before, and a value only where it is of the same kind. */
export const withField = (before: Criterion, field: FilterField, kindBefore: string | undefined): Partial<Criterion> => {
  const operator = field.operators.includes(before.operator) ? before.operator : (field.operators[0] ?? "");
  const isSame = kindBefore === field.kind && field.kind !== "choice";
  return { field: field.name, operator, ...(isSame ? {} : { text: "", list: [], software: NO_SOFTWARE }) };
};

/** Whether a question can be asked at all; until then no preview is asked for. */
export const isComplete = (one: Criterion, field: FilterField | undefined): boolean => {
  if (!field || !one.operator) return false;
  switch (shapeOf(field, one.operator)) {
    case "none":
      return true;
    case "software":
      return one.software.name !== "" && (one.software.version === "") === (one.software.version_operator === "");
    case "list":
    case "choices":
      return one.list.length > 0;
    case "text":
    case "choice":
    case "date":
      return one.text !== "";
  }
};

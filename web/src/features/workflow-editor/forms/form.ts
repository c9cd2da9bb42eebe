import type { Settings, WorkflowNode } from "../document";

/** What a form of a node's settings is given. */
export interface FormProps {
  node: WorkflowNode;
  isReadOnly: boolean;
  /** What is wrong with a setting, below it too. */
  fault: (field: string) => string | undefined;
  set: (patch: Settings) => void;
}

export const textOf = (value: unknown): string => (typeof value === "string" ? value : "");
export const numberOf = (value: unknown): number | null => (typeof value === "number" ? value : null);
export const recordOf = (value: unknown): Settings =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Settings) : {};
export const textsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === "string") : [];
/** One of these words; the first for whatever else. */
export const oneOf = <T extends string>(value: unknown, options: readonly { value: T }[], usual: T): T =>
  options.find((one) => one.value === value)?.value ?? usual;

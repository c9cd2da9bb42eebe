import type { DeclaredVariable } from "@/api/assemblies";

/** What a launch may say of the parameters of a workflow. Pure. */

export type Values = Readonly<Record<string, unknown>>;

/** Those that a launch may set; of the others the default counts. */
export const promptable = (declared: readonly DeclaredVariable[]): DeclaredVariable[] =>
  declared.filter((one) => one.type !== "secret" && (one as { promptable?: boolean }).promptable !== false);

/** Without what was cleared: the default counts then. */
export const withValue = (values: Values, name: string, value: unknown): Values => {
  const others = Object.entries(values).filter(([other]) => other !== name);
  return Object.fromEntries(value === undefined ? others : [...others, [name, value]]);
};

const isGiven = (value: unknown): boolean => value !== undefined && value !== null && value !== "";

/** The names of those that must be given and are not, where no default stands in. */
export const lacking = (declared: readonly DeclaredVariable[], values: Values): string[] =>
  promptable(declared)
    .filter((one) => one.required && !isGiven(values[one.name]) && !isGiven(one.default))
    .map((one) => one.name);

/** What stands in an empty field. */
export const placeholder = (one: DeclaredVariable): string => {
  if (isGiven(one.default)) return `${String(one.default)} (default)`;
  return one.required ? "" : "not given";
};

/** A definition as lines to be compared: one field a line, nested by indent, in one order. */
export const asLines = (value: unknown, indent = ""): string => {
  if (Array.isArray(value)) return value.map((one) => item(one, indent)).join("");
  if (!isRecord(value)) return `${indent}${scalar(value)}\n`;
  return Object.entries(value)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .map(([name, inner]) => entry(name, inner, indent))
    .join("");
};

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const isEmpty = (value: unknown): boolean =>
  (Array.isArray(value) && value.length === 0) || (isRecord(value) && Object.keys(value).length === 0);

const entry = (name: string, value: unknown, indent: string): string => {
  if (isEmpty(value)) return `${indent}${name}: ${Array.isArray(value) ? "[]" : "{}"}\n`;
  if (typeof value === "object" && value !== null) return `${indent}${name}:\n${asLines(value, `${indent}  `)}`;
  if (typeof value === "string" && value.includes("\n"))
    return `${indent}${name}: |\n${value
      .split("\n")
      .map((line) => `${indent}  ${line}`)
      .join("\n")}\n`;
  return `${indent}${name}: ${scalar(value)}\n`;
};

const item = (value: unknown, indent: string): string => {
  if (typeof value !== "object" || value === null || isEmpty(value)) return `${indent}- ${scalar(value)}\n`;
  return `${indent}- ${asLines(value, `${indent}  `).slice(indent.length + 2)}`;
};

const scalar = (value: unknown): string => {
  if (value === undefined || value === null) return "null";
  if (typeof value === "string")
    return /^[\w./][\w ./-]*$/.test(value) && !/^(null|true|false|\d.*)$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value);
};

const SHOWN = 30;

/** The lines of a scope that the other side does not have; and how many both have. */
export const ownLines = (value: unknown, other: unknown): string => {
  const [mine, theirs] = [textsOf(value), new Set(textsOf(other))];
  const own = mine.filter((one) => !theirs.has(one) && one.trim() !== "");
  const rest = mine.length - own.length;
  return [
    ...own.slice(0, SHOWN),
    ...(own.length > SHOWN ? [`… and ${(own.length - SHOWN).toLocaleString("en")} more`] : []),
    ...(rest > 0 ? [`(${rest.toLocaleString("en")} ${rest === 1 ? "line" : "lines"} as on the other side)`] : []),
    ...(mine.length === 0 ? ["–"] : []),
  ].join("\n");
};

const textsOf = (value: unknown): string[] => {
  const texts = Array.isArray(value) ? value : [value];
  return texts.filter((one) => typeof one === "string").flatMap((one) => one.split("\n"));
};

export const numbersOf = (value: unknown): number[] =>
  Array.isArray(value) ? value.filter((one) => typeof one === "number") : [];

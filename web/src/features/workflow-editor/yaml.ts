/** A value as YAML, to be read. Only what JSON has; it is never read back here. */

const PLAIN = /^[A-Za-z_][\w./ -]*[\w./-]$|^[A-Za-z_]$/;
const WORDS = /^(?:null|true|false|yes|no|on|off|y|n|~)$/i;

const scalar = (value: unknown): string => {
  if (typeof value !== "string") return JSON.stringify(value ?? null);
  return PLAIN.test(value) && !WORDS.test(value) ? value : JSON.stringify(value);
};

const isEmpty = (value: object): boolean => Object.keys(value).length === 0;

const block = (value: unknown, indent: string): string => {
  if (typeof value !== "object" || value === null) return ` ${scalar(value)}\n`;
  if (isEmpty(value)) return Array.isArray(value) ? " []\n" : " {}\n";
  return `\n${lines(value, indent)}`;
};

const lines = (value: object, indent: string): string =>
  Array.isArray(value)
    ? value.map((one: unknown) => item(one, indent)).join("")
    : Object.entries(value)
        .map(([name, inner]: [string, unknown]) => `${indent}${scalar(name)}:${block(inner, `${indent}  `)}`)
        .join("");

const item = (one: unknown, indent: string): string =>
  typeof one === "object" && one !== null && !isEmpty(one)
    ? `${indent}- ${lines(one, `${indent}  `).slice(indent.length + 2)}`
    : `${indent}-${block(one, indent)}`;

export const asYaml = (value: object): string => lines(value, "");

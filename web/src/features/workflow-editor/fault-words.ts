import type { Fault } from "./editor-context";

/** `settings.seconds` of the problems that speak of a node, whatever stands before it. */
export const isAbout = (field: string, part: string): boolean => {
  const at = field.lastIndexOf(part);
  const before = field[at - 1];
  const after = field[at + part.length];
  return at >= 0 && (before === undefined || before === ".") && (after === undefined || after === ".");
};

export const sentence = (text: string): string =>
  `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

/** What a problem speaks of within its node or the workflow: `settings.duration.seconds` → `duration seconds`; nothing for all of it. */
const partOf = (field: string): string =>
  field
    .replace(/^(?:definition\.)?(?:workflow\.)?/, "")
    .replace(/^nodes\.[^.]+\.?/, "")
    .replace(/^edges\.[^.]+\.?/, "")
    .replace(/^settings\./, "")
    .replace(/[._]/g, " ")
    .trim();

/** A problem as it is read without the form beside it. */
export const faultInWords = ({ field, message }: Pick<Fault, "field" | "message">): string => {
  const part = partOf(field);
  return sentence(part ? `${part}: ${message}` : message);
};

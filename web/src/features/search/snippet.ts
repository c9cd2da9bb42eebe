import { terminalLines, textOf } from "@/lib/terminal";

export interface Parts {
  before: string;
  hit: string;
  after: string;
}

/** What steers a terminal is dropped; a part may begin or end within a line. */
const plain = (text: string): string => {
  const end = /\n$/.test(text) ? "\n" : "";
  return terminalLines(text).map(textOf).join("\n") + end;
};

/** A stretch of output cut where the hit is. */
export const partsOf = ({
  text,
  begins,
  ends,
}: {
  text: string | null;
  begins: number | null;
  ends: number | null;
}): Parts | null => {
  if (text === null || begins === null || ends === null) return null;
  // Places count characters; a text of JavaScript counts halves of some.
  const signs = Array.from(text);
  const cut = (from: number, to?: number): string => plain(signs.slice(from, to).join(""));
  return { before: cut(0, begins).trimStart(), hit: cut(begins, ends), after: cut(ends).trimEnd() };
};

/** Where a text stands in lines: for finding within what is shown. Case does not count. */

export interface Found {
  /** The line, from 0. */
  line: number;
  begins: number;
  ends: number;
}

/** Looking goes on no further than this: nobody walks through more. */
export const MOST_FOUND = 10_000;

export const findText = (lines: readonly string[], wanted: string, most = MOST_FOUND): Found[] => {
  const needle = wanted.toLowerCase();
  const found: Found[] = [];
  if (!needle) return found;
  for (const [line, text] of lines.entries()) {
    const folded = text.toLowerCase();
    // Where folding moves places (`İ`), a mark would be beside what it marks.
    const whole = folded.length === text.length ? folded : text;
    for (let at = whole.indexOf(needle); at >= 0; at = whole.indexOf(needle, at + needle.length)) {
      found.push({ line, begins: at, ends: at + needle.length });
      if (found.length >= most) return found;
    }
  }
  return found;
};

/** The place after (or before) one, round the end. `from` is a line; the first at or after it where none is chosen yet. */
export const nextFound = (found: readonly Found[], current: number | null, step: 1 | -1, from = 0): number | null => {
  if (found.length === 0) return null;
  if (current !== null) return (current + step + found.length) % found.length;
  const first = found.findIndex((one) => one.line >= from);
  return first < 0 ? 0 : first;
};

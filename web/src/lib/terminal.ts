/**
 * What a program wrote for a terminal, as lines of pieces that look alike: colours and emphasis are kept, a carriage return writes
 * over its line, and everything else that steers a terminal is dropped. Text comes in any parts; a sequence may be cut anywhere.
 */

export interface Look {
  /** 0–15, a number of the palette; or `#rrggbb`. */
  colour?: number | string;
  background?: number | string;
  bold?: boolean;
  dim?: boolean;
  italic?: boolean;
  underline?: boolean;
  strike?: boolean;
  inverse?: boolean;
}
export interface Piece {
  text: string;
  /** null = as usual. */
  look: Look | null;
}
export type Line = readonly Piece[];

export interface Terminal {
  write: (text: string) => void;
  /** All lines so far; a line does not change any more once another is behind it. */
  lines: () => readonly Line[];
}

// eslint-disable-next-line no-control-regex -- these are what it is about
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g;
/** Of a sequence that steers a terminal: CSI, then OSC and other strings up to their end, then the short ones. */
const SEQUENCE =
  // eslint-disable-next-line no-control-regex -- these are what it is about
  /^(?:\u001b\[|\u009b)([0-9;:<=>?]*)[ -/]*([@-~])|^\u001b[\]PX^_][^\u0007\u001b\u009c]*(?:\u0007|\u001b\\|\u009c)|^\u001b[ -/]*[0-OQ-WYZ\\`-~]/;
/** A cut sequence longer than this is none. */
const LONGEST = 4_096;

export const createTerminal = (): Terminal => {
  const done: Line[] = [];
  let current: Piece[] = [];
  let length = 0; // of the current line
  let column = 0;
  let look: Look | null = null;
  let rest = "";
  let shown: readonly Line[] | null = null;

  const put = (text: string): void => {
    if (!text) return;
    if (column === length) {
      const last = current.at(-1);
      if (last && last.look === look) current[current.length - 1] = { text: last.text + text, look };
      else current.push({ text, look });
    } else {
      const blank = " ".repeat(Math.max(0, column - length));
      const before = cut(current, 0, column);
      current = [
        ...before,
        ...(blank ? [{ text: blank, look: null }] : []),
        { text, look },
        ...cut(current, column + text.length),
      ];
    }
    column += text.length;
    length = Math.max(length, column);
  };
  const sequence = (parameters: string, final: string): void => {
    const first = Number.parseInt(parameters, 10) || 0;
    if (final === "m") look = lookAfter(look, parameters);
    else if (final === "K") {
      current =
        first === 2
          ? []
          : first === 1
            ? [{ text: " ".repeat(column), look: null }, ...cut(current, column)]
            : cut(current, 0, column);
      length = first === 1 ? Math.max(length, column) : first === 2 ? 0 : Math.min(length, column);
    } else if (final === "G") column = Math.max(0, first - 1);
    else if (final === "C") column += Math.min(first || 1, 1_000);
    else if (final === "D") column = Math.max(0, column - (first || 1));
  };
  const control = (sign: string): void => {
    if (sign === "\n") {
      done.push(current);
      current = [];
      length = column = 0;
    } else if (sign === "\r") column = 0;
    else if (sign === "\b") column = Math.max(0, column - 1);
  };
  return {
    write: (more) => {
      shown = null;
      const text = rest + more;
      rest = "";
      CONTROL.lastIndex = 0;
      let from = 0;
      for (let found = CONTROL.exec(text); found; found = CONTROL.exec(text)) {
        put(text.slice(from, found.index));
        from = found.index + 1;
        if (found[0] !== "\u001b" && found[0] !== "\u009b") {
          control(found[0]);
          continue;
        }
        const tail = text.slice(found.index, found.index + LONGEST);
        const whole = SEQUENCE.exec(tail);
        if (whole) {
          from = found.index + whole[0].length;
          if (whole[2]) sequence(whole[1] ?? "", whole[2]);
        } else if (tail.length < LONGEST) {
          rest = tail; // the end of it has not come yet
          return;
        }
        CONTROL.lastIndex = from;
      }
      put(text.slice(from));
    },
    lines: () => (shown ??= length > 0 ? [...done, [...current]] : [...done]),
  };
};

/** The pieces of a line from one column to another. */
const cut = (pieces: readonly Piece[], from: number, to = Infinity): Piece[] => {
  const found: Piece[] = [];
  let at = 0;
  for (const { text, look } of pieces) {
    const some = text.slice(Math.max(0, from - at), Math.max(0, to - at));
    if (some) found.push({ text: some, look });
    at += text.length;
  }
  return found;
};

const FLAGS: Readonly<Record<number, keyof Look>> = {
  1: "bold",
  2: "dim",
  3: "italic",
  4: "underline",
  7: "inverse",
  9: "strike",
};
const ENDS: Readonly<Record<number, readonly (keyof Look)[]>> = {
  22: ["bold", "dim"],
  23: ["italic"],
  24: ["underline"],
  27: ["inverse"],
  29: ["strike"],
  39: ["colour"],
  49: ["background"],
};

/** The look after `ESC [ parameters m`. */
const lookAfter = (before: Look | null, parameters: string): Look | null => {
  const numbers = parameters.split(/[;:]/).map((one) => Number.parseInt(one, 10) || 0);
  let look: Look = { ...before };
  for (let place = 0; place < numbers.length; place++) {
    const number = numbers[place] ?? 0;
    const flag = FLAGS[number];
    if (number === 0) look = {};
    else if (flag) look = { ...look, [flag]: true };
    else if (ENDS[number]) look = without(look, ENDS[number]);
    else if (number === 38 || number === 48) {
      const [colour, used] = extended(numbers.slice(place + 1));
      place += used;
      if (colour !== null) look = { ...look, [number === 38 ? "colour" : "background"]: colour };
    } else {
      const simple = simpleColour(number);
      if (simple) look = { ...look, ...simple };
    }
  }
  return Object.keys(look).length > 0 ? look : null;
};

const without = (look: Look, names: readonly (keyof Look)[]): Look =>
  Object.fromEntries(Object.entries(look).filter(([name]) => !names.some((one) => one === name)));

const simpleColour = (number: number): Look | null => {
  if (number >= 30 && number <= 37) return { colour: number - 30 };
  if (number >= 90 && number <= 97) return { colour: number - 82 };
  if (number >= 40 && number <= 47) return { background: number - 40 };
  if (number >= 100 && number <= 107) return { background: number - 92 };
  return null;
};

/** What follows 38 or 48, and how many numbers it takes. */
const extended = ([kind, one = 0, two = 0, three = 0]: readonly number[]): [number | string | null, number] => {
  if (kind === 5) return [one < 16 ? one : hex(ofPalette(one)), 2];
  return kind === 2 ? [hex([one, two, three]), 4] : [null, 0];
};

const STEPS = [0, 95, 135, 175, 215, 255];

/** 16–231: a cube of six steps each; 232–255: greys. */
const ofPalette = (number: number): readonly number[] => {
  if (number >= 232) return Array<number>(3).fill(8 + (Math.min(number, 255) - 232) * 10);
  const at = number - 16;
  return [Math.floor(at / 36), Math.floor(at / 6) % 6, at % 6].map((step) => STEPS[step] ?? 0);
};

const hex = (parts: readonly number[]): string =>
  `#${parts.map((one) => Math.min(255, one).toString(16).padStart(2, "0")).join("")}`;

/** A line as plain text. */
export const textOf = (line: Line): string => line.map((one) => one.text).join("");

/** A whole text at once. */
export const terminalLines = (text: string): readonly Line[] => {
  const made = createTerminal();
  made.write(text);
  return made.lines();
};

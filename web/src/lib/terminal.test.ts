import { expect, it } from "vitest";
import { createTerminal, type Line, terminalLines, textOf } from "./terminal";

const texts = (lines: readonly Line[]): string[] => lines.map(textOf);

it("keeps colours and emphasis, and ends them where they end", () => {
  const [line] = terminalLines("ok \u001b[1;31mfailed\u001b[0m, \u001b[92mgreen\u001b[39m");
  expect(line).toEqual([
    { text: "ok ", look: null },
    { text: "failed", look: { bold: true, colour: 1 } },
    { text: ", ", look: null },
    { text: "green", look: { colour: 10 } },
  ]);
});

it.each([
  ["38;5;9", { colour: 9 }],
  ["38;5;196", { colour: "#ff0000" }],
  ["48;5;244", { background: "#808080" }],
  ["38;2;1;2;300", { colour: "#0102ff" }],
  ["38:2:1:2:3", { colour: "#010203" }],
  ["1;2;22", null],
  ["4;24;7", { inverse: true }],
  ["31;", null],
  ["38;9;1", { bold: true, strike: true }],
])("reads SGR %s", (parameters, look) => {
  expect(terminalLines(`\u001b[${parameters}mx`)).toEqual([[{ text: "x", look }]]);
});

it("writes over a line after a carriage return, and leaves one before a line's end alone", () => {
  expect(texts(terminalLines("10 %\r50 %\r100 %\r\ndone\r\n"))).toEqual(["100 %", "done"]);
  expect(texts(terminalLines("a long line\rshort\u001b[K"))).toEqual(["short"]);
  expect(texts(terminalLines("abc\bd\u001b[2Kx"))).toEqual(["   x"]);
});

it("drops what else steers a terminal", () => {
  expect(texts(terminalLines("\u001b]0;title\u0007a\u001b[2Jb\u001b(Bc\u001b[?25ld\u0000e\u001b]8;;http://x\u001b\\f"))).toEqual([
    "abcdef",
  ]);
});

it("does not mind where the text is cut", () => {
  const whole = "one \u001b[38;5;196mred\u001b[0m two\r\n\u001b]0;title\u0007three\rT\nlast";
  const expected = terminalLines(whole);
  for (let place = 0; place <= whole.length; place++) {
    const made = createTerminal();
    made.write(whole.slice(0, place));
    made.write(whole.slice(place));
    expect(made.lines().map((line) => textOf(line))).toEqual(texts(expected));
  }
});

it("does not wait for ever for the end of a sequence that has none", () => {
  const made = createTerminal();
  made.write(`\u001b]0;${"x".repeat(5_000)}`);
  expect(textOf(made.lines()[0] ?? []).length).toBeGreaterThan(4_000);
});

it("has an empty line for each empty line, and none behind the last end", () => {
  expect(texts(terminalLines("a\n\nb\n"))).toEqual(["a", "", "b"]);
  expect(terminalLines("")).toEqual([]);
});

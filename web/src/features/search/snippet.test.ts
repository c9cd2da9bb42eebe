import { expect, it } from "vitest";
import { partsOf } from "./snippet";

it("cuts a stretch where the hit is, also behind signs of two halves", () => {
  expect(partsOf({ text: "\n😀 the disk full now\n", begins: 7, ends: 16 })).toEqual({
    before: "😀 the ",
    hit: "disk full",
    after: " now",
  });
});

it("drops colours, and has nothing where no one place has it", () => {
  expect(partsOf({ text: "\u001b[31mno\u001b[0m space", begins: 12, ends: 17 })).toEqual({
    before: "no ",
    hit: "space",
    after: "",
  });
  expect(partsOf({ text: null, begins: null, ends: null })).toBeNull();
});

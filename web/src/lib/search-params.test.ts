import { expect, it } from "vitest";
import { flag, oneOf, oneOfOr, parseSearch, stringifySearch, texts, text, wholeNumber } from "./search-params";
import { readAll, writeAll } from "./url-state";

const FIELDS = {
  q: text(),
  state: oneOf(["active", "paused"]),
  sort: oneOfOr(["name", "-name"], "name"),
  tag: texts(),
  site: wholeNumber(),
  on: flag(),
};

it("reads what it wrote", () => {
  const values = { q: "123", state: "paused", sort: "-name", tag: ["a", "b"], site: 7, on: false } as const;
  const written = stringifySearch(writeAll(FIELDS, { ...values, tag: [...values.tag] }));
  expect(written).toBe("?q=123&state=paused&sort=-name&tag=a&tag=b&site=7&on=false");
  expect(readAll(FIELDS, parseSearch(written))).toEqual(values);
});

it("takes what cannot be read as not given", () => {
  const read = readAll(FIELDS, parseSearch("?state=flying&sort=colour&site=-1&on=perhaps&tag=x"));
  expect(read).toEqual({ q: "", state: null, sort: "name", tag: ["x"], site: null, on: null });
});

it("keeps usual values out of the address", () => {
  expect(stringifySearch(writeAll(FIELDS, { q: "", sort: "name", tag: [], on: null }))).toBe("");
});

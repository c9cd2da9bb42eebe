import { expect, it } from "vitest";
import { exampleOf, outcomeInWords, readBody, reasonInWords } from "./webhook-words";

it("reads a body, or says why there is none", () => {
  expect(readBody('{"a": [1]}')).toEqual({ value: { a: [1] } });
  expect(readBody("null")).toEqual({ value: null });
  expect(readBody('{"a": }')).toMatchObject({ wrong: expect.stringMatching(/^This is no JSON: /) as string });
});

it("shows how a sender proves itself, without the secret", () => {
  const url = "https://engine.example/hooks/abc";
  const signed = exampleOf({ url, mode: "hmac" });
  expect(signed).toContain("X-Watchbill-Signature: v1=$signature");
  expect(signed).not.toContain("Authorization");
  expect(exampleOf({ url, mode: "bearer" })).toContain("Authorization: Bearer $SECRET");
  expect(signed).toContain(url);
});

it("has words for outcomes and reasons, and tells unknown ones as they are", () => {
  expect(outcomeInWords("rate_limited")).toBe("Too many");
  expect(outcomeInWords("brand_new")).toBe("brand_new");
  expect(reasonInWords("replayed")).toBe("The signature was used already.");
  expect(reasonInWords("brand_new")).toBe("brand new");
});

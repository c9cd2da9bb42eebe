import { expect, it } from "vitest";
import { boundsOf } from "./ranges";

const now = new Date("2026-05-04T12:00:00Z");

it("reckons spans back from now, without an end", () => {
  expect(boundsOf({ range: "24h", from: "", to: "" }, now)).toEqual({ from: "2026-05-03T12:00:00.000Z" });
  expect(boundsOf({ range: "all", from: "", to: "" }, now)).toEqual({});
});

it("takes both ends of a span that somebody names, and passes over what is no instant", () => {
  const from = "2026-05-01T00:00:00Z";
  expect(boundsOf({ range: "between", from, to: "nonsense" }, now)).toEqual({ from });
  expect(boundsOf({ range: "24h", from, to: "" }, now)).not.toEqual({ from });
});

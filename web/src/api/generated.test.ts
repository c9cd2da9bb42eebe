import openapiTS, { astToString } from "openapi-typescript";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";

it("is the client of the document beside it", { timeout: 60_000 }, async () => {
  const made = astToString(await openapiTS(pathToFileURL("src/api/generated/openapi.json")));
  const kept = readFileSync("src/api/generated/schema.ts", "utf8");
  expect(kept.includes(made.trim()), "`make api-client` writes the document and the client anew").toBe(true);
});

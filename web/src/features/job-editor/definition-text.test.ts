import { expect, it } from "vitest";
import { asLines } from "./definition-text";

it("writes a definition line by line, in one order", () => {
  const lines = asLines({
    name: "Sweep",
    description: "one\ntwo",
    tags: [],
    components: [{ variables: { Age: 3, Token: { is_set: true } }, revision: "latest" }],
    targets: [{ kind: "site", site_id: 3 }],
    end: null,
    start: "2026-01-01T03:00",
  });
  expect(lines).toBe(
    [
      "components:",
      "  - revision: latest",
      "    variables:",
      "      Age: 3",
      "      Token:",
      "        is_set: true",
      "description: |",
      "  one",
      "  two",
      "end: null",
      "name: Sweep",
      'start: "2026-01-01T03:00"',
      "tags: []",
      "targets:",
      "  - kind: site",
      "    site_id: 3",
      "",
    ].join("\n"),
  );
});

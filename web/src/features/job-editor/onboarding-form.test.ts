import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { changesBetween, rebase } from "./changes";
import { moved } from "./credential-order";
import { ownLines } from "./definition-text";
import { fieldInWords } from "./field-words";
import { bodyOf, type Draft, draftOf, isSame, newDraft, newOnboardingDraft } from "./form";
import { DEFAULT_COMPONENT, newOnboarding } from "./onboarding-form";
import { lineInWords, totalInWords } from "./scope-words";
import { faultOf, sectionOf, shownProblems } from "./sections";

const draft = (entries: string, more: Partial<Draft["onboarding"]> = {}): Draft => ({
  ...newOnboardingDraft("UTC", 3),
  name: "Harbour",
  onboarding: { ...newOnboarding(3), entries, ...more },
});

it("begins with the API's own defaults", () => {
  const document = JSON.parse(readFileSync("src/api/generated/openapi.json", "utf8")) as {
    components: { schemas: Record<string, { properties: Record<string, { default?: unknown }> }> };
  };
  const said = Object.entries(document.components.schemas["OnboardingComponent"]?.properties ?? {});
  expect(Object.fromEntries(said.flatMap(([name, one]) => (name === "kind" ? [] : [[name, one.default]])))).toEqual(
    DEFAULT_COMPONENT,
  );
});

it("sends what onboarding takes, and nothing of what other jobs say", () => {
  const body = bodyOf(draft("# cranes\n10.4.0.0/24\n", { credential_ids: [7, 5], exclusions: "10.4.0.1", platform: "linux" }));
  expect(body).toMatchObject({
    job_kind: "onboarding",
    components: [{ kind: "device_onboarding", platform: "linux", install_branch: "stable", ssh_port: 22, concurrency: 5 }],
    targets: [{ kind: "onboarding_scope", site_id: 3, entries: ["# cranes", "10.4.0.0/24", ""], exclusions: ["10.4.0.1"] }],
    credential_ids: [7, 5],
    execution_context: null,
    exclusions: [],
    schedule: { type: "immediately", timezone: "UTC" },
  });
});

it("gives a reply back as it came, comments and blank lines with it", () => {
  const body = bodyOf(draft("# cranes\n\n10.4.0.0/24\n", { credential_ids: [7] }));
  const again = draftOf(body as Parameters<typeof draftOf>[0]);
  expect(again.onboarding?.entries).toBe("# cranes\n\n10.4.0.0/24\n");
  expect(isSame(again, draft("# cranes\n\n10.4.0.0/24\n", { credential_ids: [7] }))).toBe(true);
});

it("leaves other jobs as they are", () => {
  expect(newDraft("UTC").onboarding).toBeNull();
  expect(bodyOf(newDraft("UTC"))).toMatchObject({ job_kind: "automation", execution_context: "system" });
});

it("tells what differs in a scope by its fields, and shows the lines of which one side alone has any", () => {
  const [before, after] = [draft("10.4.0.1\n10.4.0.2"), draft("10.4.0.1\n10.4.0.9")];
  const changes = changesBetween(before, after);
  expect(changes.map((one) => one.field)).toEqual(["targets.0.entries"]);
  expect(ownLines(changes[0]?.after, changes[0]?.before)).toBe("10.4.0.9\n(1 line as on the other side)");
  expect(fieldInWords("targets.0.entries")).toBe("Addresses");
  expect(fieldInWords("targets.onboarding_scope.exclusions")).toBe("Addresses left out");
  expect(fieldInWords("targets.0.entries.4")).toBe("Addresses, line 5");
});

it("puts my change of a scope on what somebody else changed elsewhere in it", () => {
  const base = draft("10.4.0.1");
  const mine = draft("10.4.0.1\n10.4.0.2");
  const theirs = draft("10.4.0.1", { exclusions: "10.4.0.7", concurrency: 9 });
  const { draft: both, clashes } = rebase(base, mine, theirs);
  expect(clashes).toEqual([]);
  expect(both.onboarding).toMatchObject({ entries: "10.4.0.1\n10.4.0.2", exclusions: "10.4.0.7", concurrency: 9 });
});

it("finds the section and the field of every problem", () => {
  expect(
    ["targets.0.entries.3", "credential_ids.1", "components.0.winrm_port", "components.0.concurrency"].map(sectionOf),
  ).toEqual(["targets", "context", "context", "policies"]);
  expect(sectionOf("components.0.variables.platform")).toBe("assemblies");
  const problems = [
    { field: "targets.0.entries.3", code: "bad_entry", message: "is no address" },
    { field: "targets.0.entries", code: "required", message: "names no address" },
  ];
  const shown = shownProblems(problems, [], false);
  expect(faultOf(shown, "targets.0.entries.3")).toBe("is no address");
  expect(faultOf(shown, "targets.0.entries")).toBeUndefined(); // not asked to be saved yet
  expect(faultOf(shownProblems(problems, [], true), "targets.0.entries")).toBe("are not given yet");
});

it("moves a credential, and leaves it at the ends", () => {
  expect(moved([1, 2, 3], 2, -1)).toEqual([1, 3, 2]);
  expect(moved([1, 2, 3], 0, -1)).toEqual([1, 2, 3]);
});

it("says what a line is and what the whole comes to", () => {
  const line = { line: 1, text: "10.4.0.0/24", kind: "network", count: 254, problem: null, note: null } as const;
  expect(lineInWords(line)).toBe("a network: 254 addresses");
  expect(lineInWords({ ...line, kind: "comment", count: 0 })).toBe("a comment");
  expect(totalInWords({ count: 253, excluded_count: 1, most: 4096, entries: [], exclusions: [] })).toBe(
    "253 addresses in all, 1 left out; at most 4,096 are allowed.",
  );
});

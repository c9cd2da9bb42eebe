import { expect, it } from "vitest";
import type { Assembly } from "@/api/assemblies";
import { bodyOf, draftOf, isSame, newDraft, numberOrText, withFile } from "./draft";
import { changedInWords, followersOf, revisionsInWords, settingsText } from "./in-words";

const SAVED: Assembly = {
  id: "0f2e8f3c-0000-4000-8000-000000000001",
  name: "Trim logs",
  description: "",
  kind: "script",
  interpreter: "bash",
  content: "true",
  variables: [
    { name: "AGE", type: "number", required: false, default: 0, choices: [], description: "" },
    { name: "EMPTY", type: "string", required: false, default: "", choices: [], description: "" },
    { name: "FLAG", type: "boolean", required: true, default: false, choices: [], description: "" },
    { name: "LEVEL", type: "choice", required: false, default: "a", choices: ["a", "b"], description: "how much" },
  ],
  time_limit_seconds: 90,
  warning_exit_codes: [3, 7],
  files: [{ name: "a.ini", sha256: "0".repeat(64), size: 2048 }],
  revision: 2,
  content_sha256: "",
  archived_at: null,
  created_by: null,
  updated_by: null,
  created_at: "2026-01-01T00:00:00Z",
  updated_at: "2026-01-01T00:00:00Z",
};

it("sends back what was saved when nothing was changed", () => {
  const { name, description, kind, interpreter, content, variables, time_limit_seconds, warning_exit_codes, files } = SAVED;
  expect(bodyOf(draftOf(SAVED))).toEqual({
    name,
    description,
    kind,
    interpreter,
    content,
    variables,
    time_limit_seconds,
    warning_exit_codes,
    files,
    collections: [],
  });
});

it("sends of a playbook what a playbook has", () => {
  const collections = [{ name: "ansible.posix", version: "*" }];
  const playbook = { ...SAVED, kind: "playbook" as const, interpreter: null, warning_exit_codes: [], collections };
  expect(bodyOf(draftOf(playbook))).toMatchObject({ kind: "playbook", interpreter: null, warning_exit_codes: [], collections });
  expect(settingsText(playbook)).toContain("run by: Ansible (playbook)\ntime limit: 1 min 30 s\ncollection ansible.posix: *");
  expect(changedInWords(playbook, { ...playbook, content: "x", collections: [] })).toBe("playbook, collections");
});

it("notices what was written in a file of a playbook", () => {
  const draft = { ...newDraft(), kind: "playbook" as const };
  expect(isSame({ ...draft, texts: { "a.yml": "x" } }, draft)).toBe(false);
});

it("notices a change, and that it was taken back", () => {
  const draft = draftOf(SAVED);
  expect(isSame(draft, draftOf(SAVED))).toBe(true);
  expect(isSame({ ...draft, content: "false" }, draft)).toBe(false);
  expect(isSame({ ...draft, warning_exit_codes: ["7", "3"] }, draft)).toBe(true);
  expect(isSame(newDraft(), newDraft())).toBe(true);
});

it("leaves a number that is none for the Engine to refuse", () => {
  expect([numberOrText(" "), numberOrText("-1.5"), numberOrText("soon")]).toEqual([null, -1.5, "soon"]);
});

it("replaces a file of the same name, whatever its case", () => {
  const [first] = SAVED.files ?? [];
  const added = withFile(first ? [first] : [], { name: "A.INI", sha256: "1".repeat(64), size: 1 });
  expect(added.map((one) => one.name)).toEqual(["A.INI"]);
});

it("says everything but the script in words", () => {
  expect(settingsText(SAVED)).toBe(
    [
      "name: Trim logs",
      "interpreter: Bash",
      "time limit: 1 min 30 s",
      "warning exit codes: 3, 7",
      "variable AGE: number · optional · default 0",
      'variable EMPTY: string · optional · default ""',
      "variable FLAG: boolean · required · default false",
      'variable LEVEL: choice · one of a, b · optional · default "a" · how much',
      `file a.ini: 2.0 KiB, SHA-256 ${"0".repeat(64)}`,
    ].join("\n"),
  );
  expect(changedInWords(SAVED, { ...SAVED, content: "false", files: [] })).toBe("script, files");
});

it("counts the active jobs that take each new revision", () => {
  const job = { id: 1, name: "Nightly", state: "active", execution_context: "system", revisions: ["latest", 1] } as const;
  const jobs = [
    { ...job, revisions: [...job.revisions] },
    { ...job, id: 2, state: "paused" as const, revisions: ["latest" as const] },
    { ...job, id: 3, revisions: [2] },
  ];
  expect(followersOf({ jobs, unseen_jobs: 0, workflows: [] }).map((one) => one.id)).toEqual([1]);
  expect(revisionsInWords(["latest", 1])).toBe("always the latest and revision 1");
});

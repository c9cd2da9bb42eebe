import { expect, it } from "vitest";
import { faultsOf } from "./faults";
import { added, attached, foldersOf, removed, renamed } from "./tree";

const file = (name: string) => ({ name, sha256: "a".repeat(64), size: 1 });
const TREE = { files: [file("roles/web/tasks/main.yml"), file("vars.yml")], texts: { "vars.yml": "a: 1" } };

it("adds, renames and takes away files together with what was written in them", () => {
  const more = added(TREE, "roles/web/vars/main.yml");
  expect(more?.texts).toEqual({ "vars.yml": "a: 1", "roles/web/vars/main.yml": "" });
  expect(added(TREE, "VARS.yml")).toBeNull();
  const moved = renamed(TREE, "vars.yml", "group_vars/all.yml");
  expect(moved?.files.map((one) => one.name)).toEqual(["group_vars/all.yml", "roles/web/tasks/main.yml"]);
  expect(moved?.texts).toEqual({ "group_vars/all.yml": "a: 1" });
  expect(renamed(TREE, "vars.yml", "Roles/web/tasks/main.yml")).toBeNull();
  expect(renamed(TREE, "vars.yml", "Vars.yml")?.files.map((one) => one.name)).toContain("Vars.yml");
  expect(removed(TREE, "vars.yml")).toEqual({ files: [TREE.files[0]], texts: {} });
});

it("puts an uploaded file in place of what was written under its name", () => {
  const stored = { name: "vars.yml", sha256: "b".repeat(64), size: 9 };
  expect(attached(TREE, [stored])).toEqual({ files: [TREE.files[0], stored], texts: {} });
});

it("lists files by their folders", () => {
  expect(foldersOf(TREE.files)).toEqual([
    { path: "", files: [{ path: "vars.yml", name: "vars.yml" }] },
    { path: "roles/web/tasks/", files: [{ path: "roles/web/tasks/main.yml", name: "main.yml" }] },
  ]);
});

it("says in which file and line something is wrong", () => {
  const problem = (field: string, message: string) => ({ field, code: "x", message });
  expect(
    faultsOf(
      [
        problem("content", "line 3, column 5: no such: thing"),
        problem("files.vars.yml", "line 1, column 1: bad"),
        problem("files.0.name", "is reserved"),
        problem("name", "is taken"),
        problem("content", "could not be checked"),
      ],
      TREE.files,
    ),
  ).toEqual([
    { path: "playbook.yml", line: 3, column: 5, message: "no such: thing" },
    { path: "vars.yml", line: 1, column: 1, message: "bad" },
    { path: "roles/web/tasks/main.yml", line: null, column: 1, message: "is reserved" },
    { path: "playbook.yml", line: null, column: 1, message: "could not be checked" },
  ]);
});

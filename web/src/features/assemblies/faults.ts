import type { AssemblyFile } from "@/api/assemblies";
import type { FieldProblem } from "@/api/problem";

/** What is wrong with a playbook, taken apart: in which file, at which place, and what. */

/** The playbook itself, as it is called in its tree. */
export const MAIN = "playbook.yml";

export interface Fault {
  path: string;
  line: number | null;
  column: number;
  message: string;
}

const PLACED = /^line (\d+), column (\d+): ([\s\S]*)$/;

/** The problems of the playbook's text and of its files; those of other fields are left out. */
export const faultsOf = (problems: readonly FieldProblem[], files: readonly AssemblyFile[]): Fault[] =>
  problems.flatMap((one) => {
    const path = pathOf(one.field, files);
    if (path === null) return [];
    const [, line, column, message] = PLACED.exec(one.message) ?? [];
    return [{ path, line: line ? Number(line) : null, column: Number(column ?? 1), message: message ?? one.message }];
  });

/** `files.roles/web/tasks/main.yml` names a file by its path, `files.3.name` by its place in the list. */
const pathOf = (field: string, files: readonly AssemblyFile[]): string | null => {
  if (field === "content") return MAIN;
  if (!field.startsWith("files.")) return null;
  const named = field.slice("files.".length);
  if (files.some((one) => one.name === named)) return named;
  return files[Number(named.split(".")[0])]?.name ?? null;
};

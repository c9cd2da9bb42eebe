import type { AssemblyBody, AssemblyUsage, DeclaredVariable } from "@/api/assemblies";
import { bytes } from "@/lib/bytes";
import { duration } from "@/lib/time";
import { ANSIBLE, interpreterName } from "./draft";

/** Everything of an assembly but its script, a line for each thing, so that two of them can be compared. */
export const settingsText = (one: Omit<AssemblyBody, "content">): string =>
  [
    `name: ${one.name}`,
    ...howItRuns(one),
    ...(one.kind !== "script" ? [] : [`warning exit codes: ${one.warning_exit_codes?.join(", ") || "none"}`]),
    ...(one.collections ?? []).map((each) => `collection ${each.name}: ${each.version}`),
    ...(one.description ? one.description.split("\n").map((line) => `description: ${line}`) : []),
    ...(one.variables ?? []).map((variable) => `variable ${variable.name}: ${variableInWords(variable)}`),
    ...(one.files ?? []).map((file) => `file ${file.name}: ${bytes(file.size)}, SHA-256 ${file.sha256}`),
  ].join("\n");

const howItRuns = (one: Omit<AssemblyBody, "content">): string[] => {
  if (one.kind === "workflow") return [];
  const by = one.kind === "playbook" ? `run by: ${ANSIBLE.label}` : `interpreter: ${interpreterName(one.interpreter)}`;
  return [by, `time limit: ${duration(one.time_limit_seconds)}`];
};

export const variableInWords = (one: DeclaredVariable): string =>
  [
    one.type,
    ...(one.choices?.length ? [`one of ${one.choices.join(", ")}`] : []),
    one.required ? "required" : "optional",
    ...(one.promptable === false ? ["set by the workflow alone"] : []),
    ...(one.default === null || one.default === undefined ? [] : [`default ${JSON.stringify(one.default)}`]),
    ...(one.description ? [one.description] : []),
  ].join(" · ");

/** Which revision a job runs, as it is said beside its name. */
export const revisionsInWords = (revisions: readonly (number | "latest")[]): string =>
  revisions.map((one) => (one === "latest" ? "always the latest" : `revision ${one}`)).join(" and ");

/** The jobs that run a new revision from their next occurrence on: those that are active and take the latest. */
export const followersOf = (usage: AssemblyUsage | undefined): AssemblyUsage["jobs"] =>
  usage?.jobs.filter((job) => job.state === "active" && job.revisions.includes("latest")) ?? [];

export const countOf = (number: number, one: string, many = `${one}s`): string =>
  `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

const PARTS: readonly (readonly [string, (one: AssemblyBody) => unknown])[] = [
  ["name", (one) => one.name],
  ["description", (one) => one.description],
  ["interpreter", (one) => one.interpreter],
  ["script", (one) => (one.kind === "script" ? one.content : "")],
  ["playbook", (one) => (one.kind === "playbook" ? one.content : "")],
  ["graph", (one) => one.workflow ?? null],
  ["collections", (one) => one.collections ?? []],
  ["variables", (one) => one.variables ?? []],
  ["time limit", (one) => one.time_limit_seconds],
  ["warning exit codes", (one) => one.warning_exit_codes ?? []],
  ["files", (one) => one.files ?? []],
];

/** Which parts differ between two states: `script, variables`. */
export const changedInWords = (before: AssemblyBody, after: AssemblyBody): string =>
  PARTS.filter(([, part]) => JSON.stringify(part(before)) !== JSON.stringify(part(after)))
    .map(([name]) => name)
    .join(", ");

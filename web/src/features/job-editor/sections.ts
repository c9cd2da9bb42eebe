import type { FieldProblem } from "@/api/problem";

/** The parts of the form, and which of them a field of the API belongs to. */

export const SECTIONS = [
  { id: "name", title: "Name" },
  { id: "assemblies", title: "Assemblies" },
  { id: "targets", title: "Targets" },
  { id: "schedule", title: "Schedule" },
  { id: "context", title: "Execution context" },
  { id: "policies", title: "Policies" },
] as const;
export type SectionId = (typeof SECTIONS)[number]["id"];

/** Those of a job that looks for machines: fewer, and called by what they are there. */
export const ONBOARDING_SECTIONS: readonly { id: SectionId; title: string }[] = [
  { id: "name", title: "Name" },
  { id: "targets", title: "Where to look" },
  { id: "context", title: "Signing in" },
  { id: "schedule", title: "Schedule" },
  { id: "policies", title: "Installing" },
];

/** Those of a job that launches a workflow, which says itself where and how. */
export const WORKFLOW_SECTIONS: readonly { id: SectionId; title: string }[] = [
  { id: "name", title: "Name" },
  { id: "assemblies", title: "Workflow" },
  { id: "targets", title: "From the workflow" },
  { id: "schedule", title: "Schedule" },
  { id: "policies", title: "Policies" },
];

const PLACES: readonly (readonly [RegExp, SectionId])[] = [
  [/^(credential_ids|components\.\d+\.(platform|\w+_port)$)/, "context"],
  [/^components\.\d+\.(install_branch|concurrency)$/, "policies"],
  [/^(components|policies\.(continue_on_failure|retr))/, "assemblies"],
  [/^(targets|exclusions|policies\.(no_targets|max_change))/, "targets"],
  [/^(schedule|enabled)/, "schedule"],
  [/^(execution_context|policies\.no_user_session|policies\.interrupted|credential_id|use_service_account)/, "context"],
  [/^(policies|duration)/, "policies"],
];

export const sectionOf = (field: string): SectionId => PLACES.find(([fields]) => fields.test(field))?.[1] ?? "name";

const ORDER: readonly string[] = SECTIONS.map((one) => one.id);

/** In the order in which the form has them. */
export const inOrder = (problems: readonly FieldProblem[]): FieldProblem[] =>
  [...problems].sort((one, other) => ORDER.indexOf(sectionOf(one.field)) - ORDER.indexOf(sectionOf(other.field)));

/** What stands against a job without being a reason to refuse it: it can be saved, and will not run as things are. */
const NO_REFUSALS = new Set(["no_eligible_targets", "targets_unknown", "no_canaries", "window_closed"]);
export const isRefusal = (problem: FieldProblem): boolean => !NO_REFUSALS.has(problem.code);

/** Not given yet, which a form that is just being filled in is not blamed for. */
const isLacking = (problem: FieldProblem): boolean =>
  problem.code === "required" ||
  (problem.code === "length" && /^(name|components|targets|credential_ids|targets\.0\.entries)$/.test(problem.field));

/** A list of the Engine's that begins with “must have 1 to …” is no help to who has not come so far yet. */
const LACKING: Readonly<Record<string, string>> = {
  name: "is not given yet",
  components: "are not chosen yet",
  targets: "are not chosen yet",
  schedule: "is not chosen yet",
  "schedule.type": "is not chosen yet",
  credential_ids: "are not chosen yet",
  "targets.0.site_id": "is not chosen yet",
  "targets.0.entries": "are not given yet",
};
const inPlainWords = (problem: FieldProblem): FieldProblem => {
  const message = isLacking(problem) ? LACKING[problem.field] : undefined;
  if (message !== undefined) return { ...problem, message };
  // Of a line of a scope the field says which it is.
  return /^targets\.0\.\w+\.\d+$/.test(problem.field)
    ? { ...problem, message: problem.message.replace(/^line \d+: /, "") }
    : problem;
};

/** Which problems are shown beside their fields. `isAsked`: a save was tried, so that everything counts. */
export const shownProblems = (
  blockers: readonly FieldProblem[],
  refused: readonly FieldProblem[],
  isAsked: boolean,
): FieldProblem[] => {
  const hasTargets = !blockers.some((one) => one.field === "targets" && isLacking(one));
  const told = blockers.filter((one) => (isAsked || !isLacking(one)) && (hasTargets || one.code !== "no_eligible_targets"));
  const known = new Set(told.map((one) => `${one.field} ${one.code}`));
  return [...told, ...refused.filter((one) => !known.has(`${one.field} ${one.code}`))].map(inPlainWords);
};

/** The sentences about exactly this field, or about parts of it where `deep`. */
export const faultOf = (problems: readonly FieldProblem[], path: string, deep = false): string | undefined => {
  const found = problems.filter(
    (one) => one.field === path || (deep && (one.field.startsWith(`${path}.`) || one.field.startsWith(`${path}[`))),
  );
  return found.length ? [...new Set(found.map((one) => one.message))].join("; ") : undefined;
};

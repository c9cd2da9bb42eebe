import type { AssembliesQuery } from "@/api/assemblies";
import { oneOf, oneOfOr, text, texts, type Values } from "@/lib/search-params";
import { ANSIBLE, INTERPRETERS, WORKFLOW } from "./draft";

/** The state of the list in its address; the names are those of the API's list. */
export const ASSEMBLY_FILTERS = {
  q: text(),
  interpreter: oneOf([...INTERPRETERS.map((one) => one.value), ANSIBLE.value, WORKFLOW.value]),
  archived: oneOfOr(["false", "true", "all"], "false"),
  columns: texts(),
};

export const ARCHIVED = [
  { value: "true", label: "Archived only" },
  { value: "all", label: "With archived" },
] as const;

export const queryOf = (state: Values<typeof ASSEMBLY_FILTERS>): AssembliesQuery => ({
  q: state.q || undefined,
  ...ofKind(state.interpreter),
  archived: state.archived,
});

type Run = Values<typeof ASSEMBLY_FILTERS>["interpreter"];

const ofKind = (run: Run): Pick<AssembliesQuery, "kind" | "interpreter"> => {
  if (run === ANSIBLE.value) return { kind: "playbook" };
  return run === WORKFLOW.value ? { kind: "workflow" } : { interpreter: run ?? undefined };
};

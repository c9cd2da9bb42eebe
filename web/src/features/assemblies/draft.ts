import type {
  Assembly,
  AssemblyBody,
  AssemblyFile,
  AssemblyKind,
  Collection,
  DeclaredVariable,
  Interpreter,
} from "@/api/assemblies";

/** An assembly while it is written: what the form holds, and the way from and to what the API takes. */

export type Default = DeclaredVariable["default"];

export interface DraftVariable extends Omit<DeclaredVariable, "choices" | "default" | "promptable"> {
  /** Its identity while rows come and go. */
  key: number;
  default: Exclude<Default, undefined>;
  choices: string[];
  /** Of a workflow: whether a job or a launch may set it. */
  promptable: boolean;
}

export interface Draft {
  name: string;
  description: string;
  kind: AssemblyKind;
  /** Of a script. */
  interpreter: Interpreter;
  content: string;
  variables: DraftVariable[];
  time_limit_seconds: number | string;
  /** As they were typed; what is no number is for the Engine to refuse. */
  warning_exit_codes: string[];
  files: AssemblyFile[];
  /** Of a playbook. */
  collections: Collection[];
  /** Of a workflow: its graph. */
  workflow: unknown;
  /** What was written here in files of a playbook, by their paths: stored before the next save. */
  texts: Readonly<Record<string, string>>;
}

/** What runs a playbook, where an interpreter runs a script. */
export const ANSIBLE = { value: "ansible", label: "Ansible (playbook)" } as const;

/** And a workflow. */
export const WORKFLOW = { value: "workflow", label: "Workflow" } as const;

/** What a new workflow begins with: a start by hand. */
const FIRST_WORKFLOW = {
  schema: 1,
  max_parallel: null,
  time_limit_seconds: 604_800,
  concurrency: "skip",
  nodes: [
    {
      id: "start",
      type: "trigger_manual",
      name: "Start",
      settings: {},
      x: 0,
      y: 0,
      time_limit_seconds: null,
      retries: 0,
      retry_delay_seconds: 60,
      on_error: "stop",
    },
  ],
  edges: [],
};

/** What a new playbook begins with. */
export const FIRST_PLAY = `---
- hosts: all
  tasks:
    - name: Say hello
      ansible.builtin.debug:
        msg: Hello
`;

export const INTERPRETERS: readonly { value: Interpreter; label: string }[] = [
  { value: "bash", label: "Bash" },
  { value: "sh", label: "POSIX shell (sh)" },
  { value: "python", label: "Python" },
  { value: "powershell", label: "PowerShell" },
  { value: "batch", label: "Windows batch" },
];

/** What runs an assembly; a playbook has no interpreter. */
export const interpreterName = (interpreter: string | null | undefined, kind: AssemblyKind = "playbook"): string =>
  kind === "workflow"
    ? WORKFLOW.label
    : interpreter
      ? (INTERPRETERS.find((one) => one.value === interpreter)?.label ?? interpreter)
      : ANSIBLE.label;

let lastKey = 0;
const nextKey = (): number => (lastKey += 1);

export const newDraft = (kind: AssemblyKind = "script"): Draft => ({
  name: "",
  description: "",
  kind,
  interpreter: "bash",
  content: "",
  variables: [],
  time_limit_seconds: 3600,
  warning_exit_codes: [],
  files: [],
  collections: [],
  workflow: kind === "workflow" ? FIRST_WORKFLOW : null,
  texts: {},
});

export const newVariable = (): DraftVariable => ({
  key: nextKey(),
  name: "",
  type: "string",
  required: false,
  default: null,
  choices: [],
  description: "",
  promptable: true,
});

export const draftOf = (saved: AssemblyBody): Draft => ({
  name: saved.name,
  description: saved.description,
  kind: saved.kind,
  interpreter: saved.interpreter ?? "bash",
  content: saved.content,
  variables: (saved.variables ?? []).map((one) => ({
    key: nextKey(),
    name: one.name,
    type: one.type,
    required: one.required,
    default: one.default ?? null,
    choices: [...(one.choices ?? [])],
    description: one.description,
    promptable: one.promptable ?? true,
  })),
  time_limit_seconds: saved.time_limit_seconds,
  warning_exit_codes: (saved.warning_exit_codes ?? []).map(String),
  files: [...(saved.files ?? [])],
  collections: [...(saved.collections ?? [])],
  workflow: saved.workflow ?? null,
  texts: {},
});

/** A copy that is to be saved under a name of its own. */
export const copyOf = (saved: Assembly): Draft => ({ ...draftOf(saved), name: `${saved.name} (copy)`.slice(-200) });

const bodyOfVariable = (one: DraftVariable, kind: AssemblyKind): DeclaredVariable => {
  const { name, type, required, default: value, choices, description, promptable } = one;
  const declared = { name, type, required, default: value, choices: type === "choice" ? choices : [], description };
  return kind === "workflow" ? { ...declared, promptable } : declared;
};

/** What is sent. Whether it is right, the Engine says. */
export const bodyOf = (draft: Draft): AssemblyBody => ({
  name: draft.name.trim(),
  description: draft.description,
  kind: draft.kind,
  interpreter: draft.kind === "script" ? draft.interpreter : null,
  content: draft.kind === "workflow" ? "" : draft.content,
  variables: draft.variables.map((one) => bodyOfVariable(one, draft.kind)),
  time_limit_seconds: Number(draft.time_limit_seconds),
  warning_exit_codes: draft.kind === "script" ? draft.warning_exit_codes.map(Number).sort((one, other) => one - other) : [],
  files: draft.files,
  collections: draft.kind === "playbook" ? draft.collections : [],
  ...(draft.kind === "workflow" ? { workflow: draft.workflow as AssemblyBody["workflow"] } : {}),
});

export const isSame = (one: Draft, other: Draft): boolean =>
  JSON.stringify([bodyOf(one), one.texts]) === JSON.stringify([bodyOf(other), other.texts]);

/** A number as it was typed, so that the Engine can say what is wrong with one that is none. */
export const numberOrText = (typed: string): number | string | null => {
  if (typed.trim() === "") return null;
  return Number.isFinite(Number(typed)) ? Number(typed) : typed;
};

/** Attach a file, in place of the one of that name; case does not count, as the Engine has it. */
export const withFile = (files: readonly AssemblyFile[], file: AssemblyFile): AssemblyFile[] =>
  [...files.filter((one) => one.name.toLowerCase() !== file.name.toLowerCase()), file].sort((one, other) =>
    one.name.localeCompare(other.name),
  );

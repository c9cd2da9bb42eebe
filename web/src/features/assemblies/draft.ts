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

export interface DraftVariable extends Omit<DeclaredVariable, "choices" | "default"> {
  /** Its identity while rows come and go. */
  key: number;
  default: Exclude<Default, undefined>;
  choices: string[];
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
  /** What was written here in files of a playbook, by their paths: stored before the next save. */
  texts: Readonly<Record<string, string>>;
}

/** What runs a playbook, where an interpreter runs a script. */
export const ANSIBLE = { value: "ansible", label: "Ansible (playbook)" } as const;

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
export const interpreterName = (interpreter: string | null | undefined): string =>
  interpreter ? (INTERPRETERS.find((one) => one.value === interpreter)?.label ?? interpreter) : ANSIBLE.label;

let lastKey = 0;
const nextKey = (): number => (lastKey += 1);

export const newDraft = (): Draft => ({
  name: "",
  description: "",
  kind: "script",
  interpreter: "bash",
  content: "",
  variables: [],
  time_limit_seconds: 3600,
  warning_exit_codes: [],
  files: [],
  collections: [],
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
  })),
  time_limit_seconds: saved.time_limit_seconds,
  warning_exit_codes: (saved.warning_exit_codes ?? []).map(String),
  files: [...(saved.files ?? [])],
  collections: [...(saved.collections ?? [])],
  texts: {},
});

/** A copy that is to be saved under a name of its own. */
export const copyOf = (saved: Assembly): Draft => ({ ...draftOf(saved), name: `${saved.name} (copy)`.slice(-200) });

const bodyOfVariable = ({ name, type, required, default: value, choices, description }: DraftVariable): DeclaredVariable => ({
  name,
  type,
  required,
  default: value,
  choices: type === "choice" ? choices : [],
  description,
});

/** What is sent. Whether it is right, the Engine says. */
export const bodyOf = (draft: Draft): AssemblyBody => ({
  name: draft.name.trim(),
  description: draft.description,
  kind: draft.kind,
  interpreter: draft.kind === "script" ? draft.interpreter : null,
  content: draft.content,
  variables: draft.variables.map(bodyOfVariable),
  time_limit_seconds: Number(draft.time_limit_seconds),
  warning_exit_codes: draft.kind === "script" ? draft.warning_exit_codes.map(Number).sort((one, other) => one - other) : [],
  files: draft.files,
  collections: draft.kind === "playbook" ? draft.collections : [],
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

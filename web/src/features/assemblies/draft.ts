import type { Assembly, AssemblyBody, AssemblyFile, DeclaredVariable, Interpreter } from "@/api/assemblies";

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
  interpreter: Interpreter;
  content: string;
  variables: DraftVariable[];
  time_limit_seconds: number | string;
  /** As they were typed; what is no number is for the Engine to refuse. */
  warning_exit_codes: string[];
  files: AssemblyFile[];
}

export const INTERPRETERS: readonly { value: Interpreter; label: string }[] = [
  { value: "bash", label: "Bash" },
  { value: "sh", label: "POSIX shell (sh)" },
  { value: "python", label: "Python" },
  { value: "powershell", label: "PowerShell" },
  { value: "batch", label: "Windows batch" },
];

export const interpreterName = (interpreter: string): string =>
  INTERPRETERS.find((one) => one.value === interpreter)?.label ?? interpreter;

let lastKey = 0;
const nextKey = (): number => (lastKey += 1);

export const newDraft = (): Draft => ({
  name: "",
  description: "",
  interpreter: "bash",
  content: "",
  variables: [],
  time_limit_seconds: 3600,
  warning_exit_codes: [],
  files: [],
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

type Stored = Omit<AssemblyBody, "kind">;

export const draftOf = (saved: Stored): Draft => ({
  name: saved.name,
  description: saved.description,
  interpreter: saved.interpreter,
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
  kind: "script",
  interpreter: draft.interpreter,
  content: draft.content,
  variables: draft.variables.map(bodyOfVariable),
  time_limit_seconds: Number(draft.time_limit_seconds),
  warning_exit_codes: draft.warning_exit_codes.map(Number).sort((one, other) => one - other),
  files: draft.files,
});

export const isSame = (one: Draft, other: Draft): boolean => JSON.stringify(bodyOf(one)) === JSON.stringify(bodyOf(other));

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

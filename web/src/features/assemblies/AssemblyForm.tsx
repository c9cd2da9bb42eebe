import { NumberInput, Select, TagsInput, Textarea, TextInput } from "@mantine/core";
import type { ReactNode } from "react";
import type { Assembly } from "@/api/assemblies";
import type { FieldProblem } from "@/api/problem";
import { duration } from "@/lib/time";
import { CodeEditor } from "@/ui/CodeEditor";
import { languageOf } from "@/ui/code-language";
import classes from "./assemblies.module.css";
import { CollectionsEditor } from "./CollectionsEditor";
import { ANSIBLE, type Draft, FIRST_PLAY, INTERPRETERS } from "./draft";
import { FilesEditor } from "./FilesEditor";
import { PlaybookEditor } from "./PlaybookEditor";
import { VariablesEditor } from "./VariablesEditor";

interface AssemblyFormProps {
  draft: Draft;
  saved: Assembly | null;
  isReadOnly: boolean;
  errorOf: (field: string) => string | undefined;
  /** What the last save was refused for. */
  refused: readonly FieldProblem[];
  onChange: (patch: Partial<Draft>) => void;
  /** Beside the fields: who uses it. */
  beside?: ReactNode;
}

const limitInWords = (seconds: number | string): string =>
  typeof seconds === "number" && seconds > 0 ? `${duration(seconds)}, then it is stopped. A job may say another.` : "In seconds.";

/** Everything of an assembly, on one page. */
export const AssemblyForm = ({ draft, saved, isReadOnly, errorOf, refused, onChange, beside }: AssemblyFormProps) => (
  <div className={classes.editor}>
    <div className={classes.main}>
      <section className={`wb-panel ${classes.section}`} aria-label="What it is">
        <div className={classes.pair}>
          <TextInput
            label="Name"
            required={!isReadOnly}
            maxLength={200}
            value={draft.name}
            error={errorOf("name")}
            readOnly={isReadOnly}
            data-autofocus={saved ? undefined : true}
            onChange={(event) => onChange({ name: event.currentTarget.value })}
          />
          <InterpreterSelect {...{ draft, saved, isReadOnly, errorOf, onChange }} />
        </div>
        <Textarea
          mt="sm"
          label="Description"
          autosize
          minRows={1}
          maxRows={8}
          maxLength={10_000}
          value={draft.description}
          error={errorOf("description")}
          readOnly={isReadOnly}
          onChange={(event) => onChange({ description: event.currentTarget.value })}
        />
      </section>
      {draft.kind === "playbook" ? (
        <PlaybookEditor {...{ draft, saved, isReadOnly, refused, onChange }} />
      ) : (
        <ScriptSection {...{ draft, isReadOnly, errorOf, onChange }} />
      )}
      <VariablesEditor
        kind={draft.kind}
        variables={draft.variables}
        isReadOnly={isReadOnly}
        errorOf={errorOf}
        onChange={(variables) => onChange({ variables })}
      />
      {draft.kind === "script" && (
        <FilesEditor
          files={draft.files}
          saved={saved}
          isReadOnly={isReadOnly}
          errorOf={errorOf}
          onChange={(files) => onChange({ files })}
        />
      )}
    </div>
    <div className={classes.aside}>
      <section className={`wb-panel ${classes.section}`} aria-label="How it runs">
        <NumberInput
          label="Time limit"
          description={limitInWords(draft.time_limit_seconds)}
          suffix=" s"
          allowDecimal={false}
          allowNegative={false}
          hideControls
          value={draft.time_limit_seconds}
          error={errorOf("time_limit_seconds")}
          readOnly={isReadOnly}
          onChange={(seconds) => onChange({ time_limit_seconds: seconds })}
        />
        {draft.kind === "script" && <WarningCodes {...{ draft, isReadOnly, errorOf, onChange }} />}
      </section>
      {draft.kind === "playbook" && (
        <CollectionsEditor
          collections={draft.collections}
          isReadOnly={isReadOnly}
          errorOf={errorOf}
          onChange={(collections) => onChange({ collections })}
        />
      )}
      {beside}
    </div>
  </div>
);

const firstOf = (errorOf: (field: string) => string | undefined, length: number): string | undefined =>
  Array.from({ length }, (_, place) => errorOf(`warning_exit_codes.${place}`)).find(Boolean);

type PartProps = Pick<AssemblyFormProps, "draft" | "isReadOnly" | "errorOf" | "onChange">;

const InterpreterSelect = ({ draft, saved, isReadOnly, errorOf, onChange }: PartProps & Pick<AssemblyFormProps, "saved">) => {
  const isPlaybook = draft.kind === "playbook";
  const choose = (chosen: string | null): void => {
    const interpreter = INTERPRETERS.find((one) => one.value === chosen)?.value;
    if (interpreter) onChange({ kind: "script", interpreter, content: draft.content === FIRST_PLAY ? "" : draft.content });
    else if (chosen === ANSIBLE.value) onChange({ kind: "playbook", content: draft.content || FIRST_PLAY });
  };
  return (
    <Select
      label="Interpreter"
      data={saved ? (isPlaybook ? [ANSIBLE] : [...INTERPRETERS]) : [...INTERPRETERS, ANSIBLE]}
      value={isPlaybook ? ANSIBLE.value : draft.interpreter}
      error={errorOf("interpreter") ?? errorOf("kind")}
      allowDeselect={false}
      readOnly={isReadOnly || (saved !== null && isPlaybook)}
      onChange={choose}
    />
  );
};

const ScriptSection = ({ draft, isReadOnly, errorOf, onChange }: PartProps) => (
  <section aria-label="Script">
    <CodeEditor
      label="Script"
      value={draft.content}
      language={languageOf(draft.interpreter)}
      height="clamp(16rem, 52dvh, 40rem)"
      onChange={isReadOnly ? undefined : (content) => onChange({ content })}
    />
    {errorOf("content") && (
      <p className={classes.error} role="alert">
        {errorOf("content")}
      </p>
    )}
  </section>
);

const WarningCodes = ({ draft, isReadOnly, errorOf, onChange }: PartProps) => (
  <TagsInput
    mt="sm"
    label="Exit codes that warn"
    description="These count as a warning. 0 is success, all others are failures."
    placeholder={isReadOnly || draft.warning_exit_codes.length > 0 ? undefined : "Type one, then Enter"}
    value={draft.warning_exit_codes}
    error={errorOf("warning_exit_codes") ?? firstOf(errorOf, draft.warning_exit_codes.length)}
    readOnly={isReadOnly}
    onChange={(codes) => onChange({ warning_exit_codes: codes })}
  />
);

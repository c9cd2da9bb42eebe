import { NumberInput, Select, TagsInput, Textarea, TextInput } from "@mantine/core";
import type { ReactNode } from "react";
import type { Assembly } from "@/api/assemblies";
import { duration } from "@/lib/time";
import { CodeEditor } from "@/ui/CodeEditor";
import { languageOf } from "@/ui/code-language";
import classes from "./assemblies.module.css";
import { type Draft, INTERPRETERS } from "./draft";
import { FilesEditor } from "./FilesEditor";
import { VariablesEditor } from "./VariablesEditor";

interface AssemblyFormProps {
  draft: Draft;
  saved: Assembly | null;
  isReadOnly: boolean;
  errorOf: (field: string) => string | undefined;
  onChange: (patch: Partial<Draft>) => void;
  /** Beside the fields: who uses it. */
  beside?: ReactNode;
}

const limitInWords = (seconds: number | string): string =>
  typeof seconds === "number" && seconds > 0 ? `${duration(seconds)}, then it is stopped. A job may say another.` : "In seconds.";

/** Everything of an assembly, on one page. */
export const AssemblyForm = ({ draft, saved, isReadOnly, errorOf, onChange, beside }: AssemblyFormProps) => (
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
          <Select
            label="Interpreter"
            data={[...INTERPRETERS]}
            value={draft.interpreter}
            error={errorOf("interpreter")}
            allowDeselect={false}
            readOnly={isReadOnly}
            onChange={(chosen) => {
              const interpreter = INTERPRETERS.find((one) => one.value === chosen)?.value;
              if (interpreter) onChange({ interpreter });
            }}
          />
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
      <VariablesEditor
        variables={draft.variables}
        isReadOnly={isReadOnly}
        errorOf={errorOf}
        onChange={(variables) => onChange({ variables })}
      />
      <FilesEditor
        files={draft.files}
        saved={saved}
        isReadOnly={isReadOnly}
        errorOf={errorOf}
        onChange={(files) => onChange({ files })}
      />
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
      </section>
      {beside}
    </div>
  </div>
);

const firstOf = (errorOf: (field: string) => string | undefined, length: number): string | undefined =>
  Array.from({ length }, (_, place) => errorOf(`warning_exit_codes.${place}`)).find(Boolean);

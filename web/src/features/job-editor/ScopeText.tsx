import { Input } from "@mantine/core";
import { useId, useMemo, useRef } from "react";
import type { ScopeLine } from "@/api/onboarding";
import { Icon } from "@/ui/icons";
import { linesOf } from "./onboarding-form";
import { lineInWords } from "./scope-words";
import classes from "./scope.module.css";

interface ScopeTextProps {
  label: string;
  description: string;
  isRequired?: boolean;
  placeholder?: string;
  value: string;
  onChange: (value: string) => void;
  /** What the Engine says of each line; of a text that may be a moment older. */
  told: readonly ScopeLine[];
  /** What a check of the whole job says of the line at this place, from 0. */
  faultAt: (place: number) => string | undefined;
  /** What is wrong with the whole. */
  error?: string;
}

const LEAST_LINES = 4;
/** So many lines have a word beside them; of more, those that are wrong. */
const TOLD = 2_000;
const LISTED = 5;

interface Told {
  line: number;
  words: string;
  problem: string | null;
}

/** Addresses as one writes them, many lines: each has its number, and beside it what it is or what is wrong with it. */
export const ScopeText = ({ value, onChange, told, faultAt, error, ...props }: ScopeTextProps) => {
  const id = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  const lines = useMemo(() => linesOf(value), [value]);
  const rows = Math.max(LEAST_LINES, lines.length + 1);
  const numbers = useMemo(() => Array.from({ length: rows }, (_, at) => at + 1).join("\n"), [rows]);
  const known = useMemo((): Told[] => {
    const said = new Map(told.filter((one) => lines[one.line - 1] === one.text).map((one) => [one.line, one]));
    return lines.flatMap((text, at) => {
      const one = said.get(at + 1);
      const problem = text.trim() === "" ? null : (one?.problem ?? faultAt(at) ?? null);
      if (!one && !problem) return [];
      return [{ line: at + 1, words: problem ?? (one ? lineInWords(one) : ""), problem }];
    });
  }, [told, lines, faultAt]);
  const wrong = known.filter((one) => one.problem !== null);
  const goTo = (line: number): void => {
    const start = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0);
    field.current?.focus();
    field.current?.setSelectionRange(start, start + (lines[line - 1]?.length ?? 0));
  };
  return (
    <Input.Wrapper
      id={id}
      label={props.label}
      description={props.description}
      withAsterisk={props.isRequired}
      inputWrapperOrder={["label", "description", "input", "error"]}
      error={error}
    >
      <div className={classes.frame} data-told={known.length > 0} data-bad={wrong.length > 0 || error !== undefined}>
        <pre className={classes.numbers} aria-hidden="true">
          {numbers}
        </pre>
        <textarea
          ref={field}
          id={id}
          className={classes.text}
          wrap="off"
          rows={rows}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          placeholder={props.placeholder}
          required={props.isRequired}
          aria-invalid={wrong.length > 0 || error !== undefined}
          aria-describedby={`${id}-lines`}
          value={value}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
        <div className={classes.told} aria-hidden="true">
          {known
            .filter((one) => one.words !== "" && (one.line <= TOLD || one.problem !== null))
            .map((one) => (
              <span
                key={one.line}
                data-tone={one.problem ? "bad" : undefined}
                title={one.words}
                style={{ top: `calc(${one.line - 1} * var(--line))` }}
              >
                {one.problem && <Icon name="failed" size={12} />}
                {one.words}
              </span>
            ))}
        </div>
      </div>
      <ul id={`${id}-lines`} className={classes.wrong} aria-live="polite" aria-label={`What is wrong with: ${props.label}`}>
        {wrong.slice(0, LISTED).map((one) => (
          <li key={one.line}>
            <button type="button" onClick={() => goTo(one.line)}>
              Line {one.line}: {one.problem}
            </button>
          </li>
        ))}
        {wrong.length > LISTED && <li>and {(wrong.length - LISTED).toLocaleString("en")} more lines</li>}
      </ul>
    </Input.Wrapper>
  );
};

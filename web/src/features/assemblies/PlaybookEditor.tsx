import { useState } from "react";
import type { Assembly } from "@/api/assemblies";
import type { FieldProblem } from "@/api/problem";
import { CodeEditor } from "@/ui/CodeEditor";
import type { Place } from "@/ui/code-mirror";
import { ProblemAlert } from "@/ui/ProblemAlert";
import type { Draft } from "./draft";
import { type Fault, faultsOf, MAIN } from "./faults";
import { PlaybookFile } from "./PlaybookFile";
import classes from "./playbook.module.css";
import { PlaybookTree } from "./PlaybookTree";
import { useCheck } from "./use-check";

interface PlaybookEditorProps {
  draft: Draft;
  saved: Assembly | null;
  isReadOnly: boolean;
  /** What the last save was refused for. */
  refused: readonly FieldProblem[];
  onChange: (patch: Partial<Draft>) => void;
}

const HEIGHT = "clamp(16rem, 52dvh, 40rem)";

/** A playbook with the files that it is made of, and what Ansible says of it while it is written. */
export const PlaybookEditor = ({ draft, saved, isReadOnly, refused, onChange }: PlaybookEditorProps) => {
  const [open, setOpen] = useState(MAIN);
  const [place, setPlace] = useState<Place | null>(null);
  const check = useCheck(draft, saved?.id ?? null, !isReadOnly);
  const found = check.isKnown ? check.problems : refused;
  const faults = faultsOf(found, draft.files);
  const file = draft.files.find((one) => one.name === open);
  const marks = faults.flatMap((one) =>
    one.path === (file?.name ?? MAIN) && one.line !== null ? [{ line: one.line, column: one.column }] : [],
  );
  const goTo = (fault: Fault): void => {
    setOpen(fault.path);
    setPlace({ line: fault.line ?? 1, column: fault.column });
  };
  const show = (path: string | null): void => {
    setOpen(path ?? MAIN);
    setPlace(null);
  };
  return (
    <section aria-label="Playbook">
      <div className={classes.playbook}>
        <PlaybookTree {...{ draft, faults, isReadOnly, onChange }} open={file?.name ?? MAIN} onOpen={show} />
        <div className={classes.text}>
          {file ? (
            <PlaybookFile
              {...{ draft, saved, file, isReadOnly, onChange }}
              faults={marks}
              goTo={place}
              height={HEIGHT}
              onOpen={show}
            />
          ) : (
            <CodeEditor
              key={MAIN}
              label="Playbook"
              value={draft.content}
              language="yaml"
              height={HEIGHT}
              faults={marks}
              goTo={place}
              onChange={isReadOnly ? undefined : (content) => onChange({ content })}
            />
          )}
        </div>
      </div>
      {!isReadOnly && <Findings faults={faults} check={check} onGo={goTo} />}
      <ProblemAlert problem={check.error} />
    </section>
  );
};

interface FindingsProps {
  faults: readonly Fault[];
  check: ReturnType<typeof useCheck>;
  onGo: (fault: Fault) => void;
}

const Findings = ({ faults, check, onGo }: FindingsProps) => (
  <div className={classes.findings} role="status" aria-label="What Ansible finds">
    {check.isChecking ? (
      <p className={classes.dim}>Ansible is looking at it…</p>
    ) : (
      check.isKnown && faults.length === 0 && <p className={classes.good}>Ansible finds nothing wrong with its syntax.</p>
    )}
    <ul>
      {faults.map((one) => (
        <li key={`${one.path}:${one.line ?? 0}:${one.message}`}>
          <button type="button" className={classes.fault} onClick={() => onGo(one)}>
            <strong>{one.line === null ? one.path : `${one.path}, line ${one.line}`}</strong>
            <span>{one.message}</span>
          </button>
        </li>
      ))}
    </ul>
  </div>
);

import { Button } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { type RefObject, useMemo, useState } from "react";
import { can } from "@/api/can";
import { useUpdateJob } from "@/api/job-editor";
import { getJob, type JobReply } from "@/api/jobs";
import type { ApiProblem, FieldProblem } from "@/api/problem";
import { key } from "@/api/query";
import { LeaveGuard } from "@/ui/LeaveGuard";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { changesBetween, rebase } from "./changes";
import { ConflictDialog } from "./ConflictDialog";
import { bodyOf, type Draft, draftOf } from "./form";
import { JobFormView } from "./JobForm";
import classes from "./job-editor.module.css";
import { SaveDialog } from "./SaveDialog";
import { goToSection } from "./Section";
import { faultOf, inOrder, isRefusal, sectionOf, shownProblems } from "./sections";
import { Told } from "./Told";
import { useDraft } from "./use-job-form";
import { usePreview } from "./use-preview";

interface Base {
  revision: number;
  draft: Draft;
}

const baseOf = (job: JobReply): Base => ({ revision: job.revision, draft: draftOf(job) });

interface EditJobProps {
  /** As it stands, kept fresh by events. */
  job: JobReply;
  /** Set by who deletes the job: then nothing is left to be saved. */
  isGone: RefObject<boolean>;
}

/** A saved job: a save shows what it changes first, and never goes over what somebody else saved meanwhile. */
export const EditJob = ({ job, isGone }: EditJobProps) => {
  const client = useQueryClient();
  const [base, setBase] = useState(() => baseOf(job));
  const editing = useDraft(base.draft);
  const { draft } = editing;
  const [isSaving, setSaving] = useState(false);
  const [isConflict, setConflict] = useState(false);
  const [isAsked, setAsked] = useState(false);
  const [refused, setRefused] = useState<readonly FieldProblem[]>([]);
  const preview = usePreview(draft, job.id);
  const update = useUpdateJob();
  const changes = useMemo(() => changesBetween(base.draft, draft), [base, draft]);
  const theirs = useMemo(() => baseOf(job), [job]);
  const isBehind = job.revision !== base.revision;
  const theirChanges = useMemo(() => (isBehind ? changesBetween(base.draft, theirs.draft) : []), [isBehind, base, theirs]);
  const start = (next: Base, mine: Draft): void => {
    setBase(next);
    editing.set(mine);
    setConflict(false);
  };
  // Who has changed nothing sees what others saved; so does who meets no change of theirs, such as a pause.
  if (isBehind && (changes.length === 0 || theirChanges.length === 0))
    start(theirs, changes.length === 0 ? theirs.draft : { ...draft });

  const problems = shownProblems(preview.data?.blockers ?? [], preview.isBehind ? refused : [], isAsked);
  const lookAt = (errors: readonly FieldProblem[]): void => {
    setAsked(true);
    const first = inOrder(errors).find(isRefusal);
    if (first) goToSection(sectionOf(first.field));
  };
  const ask = (): void => {
    const known = preview.isBehind ? [] : (preview.data?.blockers ?? []).filter(isRefusal);
    if (known.length) lookAt(known);
    else if (isBehind) setConflict(true);
    else setSaving(true);
  };
  const failed = (problem: ApiProblem): void => {
    if (problem.status === 412) {
      setSaving(false);
      void getJob(job.id).then((now) => {
        client.setQueryData(key("jobs", "one", job.id), now);
        setConflict(true);
      });
    } else if (problem.errors.length) {
      setSaving(false);
      setRefused(problem.errors);
      lookAt(problem.errors);
    }
  };
  const save = (): void =>
    update.mutate(
      { jobId: job.id, revision: base.revision, job: bodyOf(draft) },
      {
        onSuccess: (saved) => {
          setSaving(false);
          setAsked(false);
          client.setQueryData(key("jobs", "one", job.id), saved);
          start(baseOf(saved), draftOf(saved));
        },
        onError: failed,
      },
    );
  const readOnly = can(job, "update");
  const count = changes.length;
  return (
    <>
      <JobFormView
        form={{ ...editing, fault: (path, deep) => faultOf(problems, path, deep) }}
        preview={preview}
        problems={problems}
        isNew={false}
        readOnly={readOnly.reason}
        standing={
          count === 0
            ? `Revision ${base.revision}, as it is saved.`
            : `${count === 1 ? "1 change" : `${count} changes`}, not saved.`
        }
        saveLabel="Save…"
        idle={count === 0 ? "Nothing is changed." : null}
        busy={update.isPending}
        onSave={ask}
        onDiscard={() => editing.set(base.draft)}
        below={<Told jobId={job.id} />}
        notices={
          <>
            {readOnly.reason && (
              <p className={`wb-panel ${classes.notice}`} data-tone="idle">
                You can look, and not change it. {readOnly.reason}
              </p>
            )}
            {isBehind && theirChanges.length > 0 && (
              <p className={`wb-panel ${classes.notice}`} data-tone="warn" role="alert">
                {job.updated_by ?? "Somebody"} saved revision {job.revision} while you were editing.
                <Button variant="default" size="compact-xs" onClick={() => setConflict(true)}>
                  See what changed…
                </Button>
              </p>
            )}
            {update.error && update.error.errors.length === 0 && update.error.status !== 412 && !isSaving && (
              <ProblemAlert problem={update.error} />
            )}
          </>
        }
      />
      {isSaving && (
        <SaveDialog
          job={job}
          changes={changes}
          scheduleText={preview.data?.schedule_text ?? null}
          busy={update.isPending}
          problem={update.error && update.error.status !== 412 ? update.error : null}
          onSave={save}
          onClose={() => setSaving(false)}
        />
      )}
      {isConflict && isBehind && (
        <Conflict
          job={job}
          base={base}
          theirs={theirs}
          mine={draft}
          onEnd={(mine) => start(theirs, mine)}
          onClose={() => setConflict(false)}
        />
      )}
      <LeaveGuard isDirty={count > 0} what={`“${job.name}”`} isDone={isGone} />
    </>
  );
};

interface ConflictProps {
  job: JobReply;
  base: Base;
  theirs: Base;
  mine: Draft;
  onEnd: (mine: Draft) => void;
  onClose: () => void;
}

const Conflict = ({ job, base, theirs, mine, onEnd, onClose }: ConflictProps) => {
  const rebased = useMemo(() => rebase(base.draft, mine, theirs.draft), [base, mine, theirs]);
  return (
    <ConflictDialog
      job={job}
      theirs={changesBetween(base.draft, theirs.draft)}
      clashes={rebased.clashes}
      onTakeTheirs={() => onEnd(theirs.draft)}
      onKeepMine={() => onEnd(rebased.draft)}
      onClose={onClose}
    />
  );
};

import { useRef, useState } from "react";
import { useCreateJob } from "@/api/job-editor";
import type { JobReply } from "@/api/jobs";
import type { FieldProblem } from "@/api/problem";
import { LeaveGuard } from "@/ui/LeaveGuard";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { bodyOf, type Draft, isSame } from "./form";
import { JobFormView } from "./JobForm";
import classes from "./job-editor.module.css";
import { goToSection } from "./Section";
import { faultOf, inOrder, sectionOf, shownProblems } from "./sections";
import { useDraft } from "./use-job-form";
import { usePreview } from "./use-preview";

interface NewJobProps {
  first: Draft;
  /** Secrets that a copy could not take along. */
  lost?: readonly string[];
  onSaved: (job: JobReply) => void;
}

/** A job that is not saved yet. */
export const NewJob = ({ first, lost = [], onSaved }: NewJobProps) => {
  const editing = useDraft(first);
  const { draft } = editing;
  const preview = usePreview(draft, null);
  const create = useCreateJob();
  const [isAsked, setAsked] = useState(false);
  const [refused, setRefused] = useState<readonly FieldProblem[]>([]);
  const isGoing = useRef(false);
  const problems = shownProblems(preview.data?.blockers ?? [], preview.isBehind ? refused : [], isAsked);
  const save = (): void => {
    setAsked(true);
    create.mutate(bodyOf(draft), {
      onSuccess: (job) => {
        isGoing.current = true;
        onSaved(job);
      },
      onError: ({ errors }) => {
        setRefused(errors);
        const [worst] = inOrder(errors);
        if (worst) goToSection(sectionOf(worst.field));
      },
    });
  };
  return (
    <>
      <JobFormView
        form={{ ...editing, fault: (path, deep) => faultOf(problems, path, deep) }}
        preview={preview}
        problems={problems}
        isNew
        readOnly={null}
        standing="Not saved yet."
        saveLabel={draft.schedule.type === "immediately" && draft.enabled !== false ? "Save and start" : "Save job"}
        idle={null}
        busy={create.isPending}
        onSave={save}
        notices={
          <>
            {lost.length > 0 && (
              <p className={`wb-panel ${classes.notice}`} data-tone="warn">
                Secrets are not copied. Give these anew: {lost.join(", ")}.
              </p>
            )}
            {create.error && create.error.errors.length === 0 && <ProblemAlert problem={create.error} />}
          </>
        }
      />
      <LeaveGuard isDirty={!isSame(draft, first)} what="This job" isDone={isGoing} />
    </>
  );
};

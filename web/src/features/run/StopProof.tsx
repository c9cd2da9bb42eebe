import { useQuery } from "@tanstack/react-query";
import { stopAnswersQuery, type StopAnswers } from "@/api/runs";
import { Icon, type IconName } from "@/ui/icons";
import classes from "./run.module.css";

const WORDS: readonly (readonly [keyof StopAnswers, string, IconName, string])[] = [
  ["could_not", "could not be stopped, and may still run", "failed", "bad"],
  ["no_answer", "have not answered within their bound", "lost", "bad"],
  ["waiting", "have not answered yet", "cancelling", "live"],
  ["killed", "stopped, with everything they had started", "cancelled", "idle"],
  ["already_done", "had ended already", "done", "idle"],
  ["withdrawn", "had not begun", "skipped", "idle"],
];

/** What each device answered to a stop, in numbers; the sentences are in the rows. */
export const StopProof = ({ jobId, occurrenceId }: { jobId: number; occurrenceId: string }) => {
  const answers = useQuery(stopAnswersQuery(jobId, occurrenceId)).data;
  if (!answers || WORDS.every(([name]) => answers[name] === 0)) return null;
  return (
    <div className={classes.facts} role="status" aria-label="What became of the stop">
      <strong>Stop:</strong>
      {WORDS.filter(([name]) => answers[name] > 0).map(([name, words, icon, tone]) => (
        <span key={name} className={classes.answer} data-tone={tone}>
          <Icon name={icon} size={13} /> {answers[name].toLocaleString("en")} {words}
        </span>
      ))}
      {answers.offline > 0 && <span>({answers.offline.toLocaleString("en")} of them offline)</span>}
    </div>
  );
};

import { Button, Checkbox, Drawer, Loader } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { type JobRevision, revisionsQuery } from "@/api/job-editor";
import { asProblem } from "@/api/problem";
import { DiffView } from "@/ui/DiffView";
import { Instant } from "@/ui/Instant";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { ChangeList } from "./ChangeList";
import { asLines } from "./definition-text";
import { draftOf, shownOf } from "./form";
import classes from "./job-editor.module.css";

interface RevisionsProps {
  jobId: number;
  jobName: string;
  /** The two that are compared; by numbers, as the address has them. */
  chosen: readonly number[];
  onChoose: (chosen: number[]) => void;
  onClose: () => void;
}

/** Every save of the job: who, when, what; and any two of them side by side. */
export const Revisions = ({ jobId, jobName, chosen, onChoose, onClose }: RevisionsProps) => {
  const found = useInfiniteQuery(revisionsQuery(jobId));
  const items = found.data?.pages.flatMap((page) => page.items) ?? [];
  const [older, newer] = [...chosen].sort((one, other) => one - other);
  const pair = [older, newer].map((number) => items.find((one) => one.revision === number));
  const toggle = (revision: number): void =>
    onChoose(chosen.includes(revision) ? chosen.filter((one) => one !== revision) : [...chosen.slice(-1), revision]);
  return (
    <Drawer
      opened
      onClose={onClose}
      position="right"
      size="min(60rem, 100vw)"
      title={`Revisions of “${jobName}”`}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {found.isPending && <Loader size="sm" aria-label="Reading the revisions" />}
      {found.error && <ProblemAlert problem={asProblem(found.error)} onRetry={() => void found.refetch()} />}
      {items.length > 1 && <p className={classes.about}>Tick two to see them side by side.</p>}
      {pair[0] && pair[1] && <Comparison older={pair[0]} newer={pair[1]} />}
      <ol className={classes.revisions}>
        {items.map((one) => (
          <li key={one.revision}>
            <Revision one={one} isChosen={chosen.includes(one.revision)} onToggle={() => toggle(one.revision)} />
          </li>
        ))}
      </ol>
      {found.hasNextPage && (
        <Button variant="default" loading={found.isFetchingNextPage} onClick={() => void found.fetchNextPage()}>
          Older ones
        </Button>
      )}
    </Drawer>
  );
};

const Revision = ({ one, isChosen, onToggle }: { one: JobRevision; isChosen: boolean; onToggle: () => void }) => (
  <>
    <div className={classes.revisionHead}>
      <Checkbox size="xs" checked={isChosen} onChange={onToggle} label={<strong>Revision {one.revision}</strong>} />
      <span>{one.changed_by ?? "by somebody who is gone"}</span>
      <Instant at={one.changed_at} />
    </div>
    {one.changes.length ? <ChangeList changes={one.changes} /> : <p className={classes.about}>The first one.</p>}
  </>
);

const textOf = (one: JobRevision): string => asLines({ ...shownOf(draftOf(one)), enabled: one.enabled });

const Comparison = ({ older, newer }: { older: JobRevision; newer: JobRevision }) => (
  <DiffView
    before={textOf(older)}
    after={textOf(newer)}
    language="yaml"
    labels={[`Revision ${older.revision}`, `Revision ${newer.revision}`]}
    height="22rem"
  />
);

import { Alert, Badge, Button, Stack, Tabs, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { type Assembly, usageQuery, useSaveAssembly } from "@/api/assemblies";
import { refusedAt } from "@/lib/refusals";
import { useSaveKey } from "@/lib/use-save-key";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { LeaveGuard } from "@/ui/LeaveGuard";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { AssemblyForm } from "./AssemblyForm";
import { AssemblyMenu } from "./AssemblyMenu";
import classes from "./assemblies.module.css";
import { ConflictPanel } from "./ConflictPanel";
import { bodyOf, type Draft, draftOf } from "./draft";
import { followersOf } from "./in-words";
import { type Compared, RevisionsPanel } from "./RevisionsPanel";
import { SaveDialog } from "./SaveDialog";
import { UsageList } from "./UsagePanel";
import { useDraft } from "./use-draft";
import { WorkflowForm } from "./WorkflowForm";

export type Tab = "edit" | "revisions" | "jobs";

interface AssemblyEditorProps {
  /** None: a new one. */
  saved: Assembly | null;
  initial: Draft;
  /** Why it may not be changed by whoever looks at it. */
  refused: string | null;
  tab?: Tab;
  onTab?: (tab: Tab) => void;
  compared?: Compared;
  onCompare?: (compared: Compared) => void;
  onMade?: (made: Assembly) => void;
}

const KIND_NAMES = { script: "Script", playbook: "Playbook", workflow: "Workflow" } as const;
const ABOUT = {
  script: "A script or a playbook, and what it needs to know.",
  playbook: "A script or a playbook, and what it needs to know.",
  workflow: "Steps that follow one another, on the devices that each of them is wired to.",
} as const;
const NOTHING: Compared = { from: null, to: null };

/** An assembly: written, saved as revisions, compared, and seen in the jobs that run it. */
export const AssemblyEditor = (props: AssemblyEditorProps) => {
  const { saved, initial, refused, tab = "edit", onTab, compared = NOTHING, onCompare, onMade } = props;
  const edit = useDraft(saved, initial);
  const client = useQueryClient();
  const usage = useQuery({ ...usageQuery(saved?.id ?? ""), enabled: saved !== null });
  const save = useSaveAssembly();
  const [isAsking, setAsking] = useState(false);
  const isArchived = Boolean(saved?.archived_at);
  const reason = isArchived ? "It is archived. Bring it back into use to change it." : refused;
  const isReadOnly = reason !== null;
  const canSave = !isReadOnly && !edit.theirs && (edit.isDirty || !saved);
  const asks = followersOf(usage.data).length > 0 || (usage.data?.unseen_jobs ?? 0) > 0;

  const send = (): void => {
    const sent = edit.draft;
    save.mutate(
      { base: edit.base, body: bodyOf(sent), texts: sent.texts },
      {
        onSuccess: (reply) => {
          setAsking(false);
          edit.wasSaved(sent, reply);
          if (!saved) onMade?.(reply);
        },
        onError: (problem) => {
          if (problem.status === 412) void client.invalidateQueries({ queryKey: ["assemblies"] });
          if (problem.status === 412 || problem.errors.length > 0) setAsking(false);
        },
      },
    );
  };
  const press = (): void => {
    if (!canSave || save.isPending || usage.isLoading) return;
    save.reset();
    if (asks) setAsking(true);
    else send();
  };
  useSaveKey(press);
  const actions = (
    <>
      {edit.isDirty && saved && !isReadOnly && (
        <Button variant="default" onClick={edit.undo}>
          Undo changes
        </Button>
      )}
      {!isReadOnly && (
        <Button onClick={press} loading={save.isPending} disabled={!canSave || usage.isLoading} title="Ctrl S">
          {asks ? "Save…" : "Save"}
        </Button>
      )}
      {saved && <AssemblyMenu assembly={saved} reason={refused} />}
    </>
  );
  const errorOf = refusedAt(save.error);
  const refusals = save.error?.errors ?? [];
  const isWorkflow = edit.draft.kind === "workflow";
  const form = isWorkflow ? (
    <WorkflowForm {...{ draft: edit.draft, saved, isReadOnly, errorOf }} refused={refusals} onChange={edit.set} />
  ) : (
    <AssemblyForm
      draft={edit.draft}
      saved={saved}
      isReadOnly={isReadOnly}
      errorOf={errorOf}
      refused={refusals}
      onChange={edit.set}
      beside={saved && <UsedBy usage={usage.data} onAll={() => onTab?.("jobs")} />}
    />
  );
  return (
    <>
      <LeaveGuard isDirty={edit.isDirty && !isReadOnly} what={edit.draft.name || "The new assembly"} />
      <div className={classes.head}>
        <PageHeader
          title={saved?.name ?? (isWorkflow ? "New Workflow" : "New Assembly")}
          beside={saved && <Marks saved={saved} />}
          actions={actions}
        >
          {saved ? (
            <>
              Saved <Instant at={saved.updated_at} show="relative" /> by {saved.updated_by ?? "the Engine"}
            </>
          ) : (
            ABOUT[edit.draft.kind]
          )}
        </PageHeader>
      </div>
      <Stack gap="sm" mb="sm">
        {reason && (
          <Alert color="gray" variant="light" icon={<Icon name="approval" size={18} />} title="You can look, not change">
            {reason}
          </Alert>
        )}
        {edit.theirs && (
          <ConflictPanel
            theirs={edit.theirs}
            mine={bodyOf(edit.draft)}
            onTake={() => edit.theirs && edit.take(edit.theirs)}
            onKeep={() => edit.keepOver(edit.theirs)}
          />
        )}
        {!isAsking && save.error?.status !== 412 && <ProblemAlert problem={save.error} />}
      </Stack>
      {saved ? (
        <Tabs value={tab} onChange={(next) => onTab?.(next === "revisions" || next === "jobs" ? next : "edit")}>
          <Tabs.List mb="md">
            <Tabs.Tab value="edit">
              {KIND_NAMES[saved.kind]}
              {edit.isDirty ? " · changed" : ""}
            </Tabs.Tab>
            <Tabs.Tab value="revisions">Revisions · {saved.revision}</Tabs.Tab>
            <Tabs.Tab value="jobs">Jobs{usage.data ? ` · ${usage.data.jobs.length + usage.data.unseen_jobs + usage.data.workflows.length}` : ""}</Tabs.Tab>
          </Tabs.List>
          <Tabs.Panel value="edit">{form}</Tabs.Panel>
          <Tabs.Panel value="revisions">
            {tab === "revisions" && (
              <RevisionsPanel
                assemblyId={saved.id}
                latest={saved.revision}
                compared={compared}
                onCompare={(next) => onCompare?.(next)}
                onEditFrom={
                  isReadOnly
                    ? undefined
                    : (revision) => {
                        edit.load(draftOf(revision));
                        onTab?.("edit");
                      }
                }
              />
            )}
          </Tabs.Panel>
          <Tabs.Panel value="jobs">
            <section className={`wb-panel ${classes.section}`} aria-label="Jobs that run it">
              <ProblemAlert problem={usage.error} onRetry={() => void usage.refetch()} />
              {usage.data && <Users usage={usage.data} />}
            </section>
          </Tabs.Panel>
        </Tabs>
      ) : (
        form
      )}
      {isAsking && edit.base && usage.data && (
        <SaveDialog
          before={edit.base}
          after={bodyOf(edit.draft)}
          usage={usage.data}
          busy={save.isPending}
          problem={save.error}
          onSave={send}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  );
};

const Marks = ({ saved }: { saved: Assembly }) => (
  <>
    <Badge variant="default" tt="none">
      revision {saved.revision}
    </Badge>
    {saved.archived_at && (
      <Badge variant="light" color="yellow" tt="none">
        archived
      </Badge>
    )}
  </>
);

type Usage = Parameters<typeof UsageList>[0]["usage"];

const isUsed = (usage: Usage): boolean => usage.jobs.length + usage.unseen_jobs + (usage.workflows?.length ?? 0) > 0;

const Users = ({ usage }: { usage: Usage }) =>
  isUsed(usage) ? (
    <UsageList usage={usage} />
  ) : (
    <Text size="sm" c="dimmed">
      No job runs it yet. A new job takes it under “Assemblies”.
    </Text>
  );

const UsedBy = ({ usage, onAll }: { usage: Usage | undefined; onAll: () => void }) => (
  <section className={`wb-panel ${classes.section}`} aria-label="Used by">
    <div className={classes.sectionHead}>
      <h2>Used by</h2>
      {usage && usage.jobs.length > 5 && (
        <Button variant="subtle" size="compact-xs" onClick={onAll}>
          All
        </Button>
      )}
    </div>
    {usage && (isUsed(usage) ? <UsageList usage={usage} most={5} /> : <p className={classes.hint}>No job runs it yet.</p>)}
  </section>
);

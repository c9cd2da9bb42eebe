import { Button, Group as Row, Stack, Textarea, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { type ReactNode, type RefObject, useMemo, useState } from "react";
import type { Filter, FilterBody, FilterField } from "@/api/filters";
import { asProblem, type ApiProblem } from "@/api/problem";
import { refusedAt } from "@/lib/refusals";
import { LeaveGuard } from "@/ui/LeaveGuard";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { TitledPanel } from "@/ui/TitledPanel";
import { asked, bodyOf, type Draft, draftOf, isSame } from "./draft";
import classes from "./filters.module.css";
import { GroupBox } from "./GroupBox";
import { PreviewPanel, usePreview } from "./PreviewPanel";
import { SitesChoice } from "./SitesChoice";
import { placeErrors } from "./tree-errors";
import type { Choice } from "./tree-context";

interface FilterFormProps {
  /** Null for a new one. */
  before: Filter | null;
  fields: readonly FilterField[];
  sites: readonly Choice[];
  /** Why it cannot be saved; null where it can. */
  reason: string | null;
  busy: boolean;
  problem: ApiProblem | null;
  /** Below the preview: what uses it. */
  aside?: ReactNode;
  onSave: (body: FilterBody) => void;
  /** Set by who saves or deletes it and leads on. */
  isDone: RefObject<boolean>;
  /** Something was changed: what was refused before is said no more. */
  onEdit: () => void;
}

const REST_MILLISECONDS = 350;
const NO_ERRORS: ApiProblem["errors"] = [];

/** A filter being written: its criteria, its sites, and beside them whom that finds. */
export const FilterForm = (props: FilterFormProps) => {
  const { before, sites, reason, busy, problem, aside, isDone, onSave, onEdit } = props;
  const [first] = useState<Draft>(() => draftOf(before));
  const [draft, setDraft] = useState(first);
  const [fresh, setFresh] = useState<number | null>(null);
  const fields = useMemo(() => new Map(props.fields.map((one) => [one.name, one])), [props.fields]);
  const { aim, lacking } = useMemo(() => asked(draft, fields), [draft, fields]);
  const [question] = useDebouncedValue(aim, REST_MILLISECONDS);
  const preview = usePreview(question);
  const refused = problem ?? (preview.error && lacking === null ? asProblem(preview.error) : null);
  const { placed, rest } = useMemo(() => placeErrors(draft.root, refused?.errors ?? NO_ERRORS), [draft.root, refused]);
  const wrong = refusedAt({ errors: rest });
  const ofSites = rest.find((one) => one.field.startsWith("site_"))?.message ?? null;
  const isReadOnly = reason !== null;
  const edit = (patch: Partial<Draft>): void => {
    setDraft({ ...draft, ...patch });
    if (problem) onEdit();
  };
  // What is wrong with a node, a name or the sites is said there; here only what is left.
  const left = problem && problem.errors.length === 0 ? problem : null;
  return (
    <>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onSave(bodyOf(draft, fields));
        }}
      >
        <div className={classes.builder}>
          <div className={classes.column}>
            <TitledPanel title="Filter">
              <Stack gap="sm">
                <TextInput
                  label="Name"
                  required
                  maxLength={200}
                  disabled={isReadOnly}
                  value={draft.name}
                  error={wrong("name")}
                  onChange={(event) => edit({ name: event.currentTarget.value })}
                />
                <Textarea
                  label="Description"
                  autosize
                  minRows={1}
                  maxRows={6}
                  disabled={isReadOnly}
                  value={draft.description}
                  error={wrong("description")}
                  onChange={(event) => edit({ description: event.currentTarget.value })}
                />
              </Stack>
            </TitledPanel>
            <TitledPanel title="Devices that meet">
              <GroupBox
                group={draft.root}
                place=""
                tree={{
                  root: draft.root,
                  fields,
                  sites,
                  wrong: placed,
                  fresh,
                  isReadOnly,
                  onChange: (root, added) => {
                    edit({ root });
                    setFresh(added ?? null);
                  },
                }}
              />
            </TitledPanel>
            <TitledPanel title="At which sites">
              <SitesChoice
                mode={draft.site_mode}
                ids={draft.site_ids}
                sites={sites}
                error={ofSites}
                isReadOnly={isReadOnly}
                onChange={edit}
              />
            </TitledPanel>
            {problem && problem.errors.length > 0 && (
              <ProblemAlert problem={{ title: "The filter is not saved", detail: saidOf(problem), errors: [] }} />
            )}
            <ProblemAlert problem={left} />
            <Row gap="sm">
              <Button type="submit" loading={busy} disabled={isReadOnly} title={reason ?? undefined}>
                {before ? "Save filter" : "Create filter"}
              </Button>
              {reason && <span className={classes.dim}>{reason}</span>}
            </Row>
          </div>
          <div className={classes.aside}>
            <PreviewPanel preview={preview} waitsFor={lacking} />
            {aside}
          </div>
        </div>
      </form>
      <LeaveGuard isDirty={!isSame(draft, first)} what={before ? `“${before.name}”` : "This filter"} isDone={isDone} />
    </>
  );
};

const saidOf = ({ errors }: ApiProblem): string =>
  errors.length === 1
    ? "One thing is wrong; it is said in its place."
    : `${errors.length} things are wrong; each is said in its place.`;

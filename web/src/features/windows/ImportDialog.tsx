import { Button, FileButton, Group, Loader, Modal, Radio, Select, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { type ImportedCalendar, importPreviewQuery, useImportCalendar, type Window } from "@/api/windows";
import { asProblem } from "@/api/problem";
import { refusedAt, refusedElsewhere } from "@/lib/refusals";
import { Icon } from "@/ui/icons";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { askable, EMPTY_IMPORT, type ImportDraft, withFile } from "./import-form";
import type { Attachment } from "./window-form";
import classes from "./windows.module.css";

type Said = (field: string) => string | undefined;
type Covers = (value: readonly Attachment[], said: Said, onChange: (value: Attachment[]) => void) => ReactNode;

interface ImportDialogProps {
  zones: readonly string[];
  /** The fields that say what it covers. */
  covers: Covers;
  onSaved: (window: Window) => void;
  onClose: () => void;
}

const NONE = { name: "", kind: "deny", attach: [] } as const;
const PLACES = ["name", "timezone", "attachments"];

/** A window out of a calendar file: the Engine says first what becomes of its events. */
export const ImportDialog = ({ zones, covers, onSaved, onClose }: ImportDialogProps) => {
  const [draft, setDraft] = useState(EMPTY_IMPORT);
  const [rested] = useDebouncedValue(draft, 300);
  const { words, lacking } = askable(rested);
  const text = rested.file?.text ?? "";
  const plan = useQuery({ ...importPreviewQuery(text, words ?? { ...NONE, attach: [] }), enabled: words !== null });
  const save = useImportCalendar();
  const problem = save.error ?? (words && plan.error ? asProblem(plan.error) : null);
  const said = refusedAt(problem);
  const known = rested === draft && words ? plan.data : undefined;
  const set = (patch: Partial<ImportDraft>): void => {
    setDraft((now) => ({ ...now, ...patch }));
    if (save.error) save.reset();
  };
  const submit = (): void => {
    if (known && words) save.mutate({ file: text, words }, { onSuccess: (saved) => saved.window && onSaved(saved.window) });
  };
  return (
    <Modal opened onClose={onClose} title="A window from a calendar" size="42rem" closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Stack gap="sm">
          <Choose draft={draft} onChoose={(name, content) => setDraft((now) => withFile(now, name, content))} />
          <Fields draft={draft} zones={zones} said={said} onChange={set} />
          <div role="group" aria-label="What it covers">
            <Text size="sm" fw={500} mb={4}>
              What it covers
            </Text>
            {covers(draft.attachments, said, (attachments) => set({ attachments }))}
          </div>
          {plan.isFetching && <Loader size="xs" aria-label="Reading the calendar" />}
          {known && <Becomes imported={known} />}
          {lacking && draft.file && (
            <Text size="sm" c="dimmed">
              {lacking}
            </Text>
          )}
          <ProblemAlert problem={refusedElsewhere(problem, PLACES)} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button
              type="submit"
              loading={save.isPending}
              disabled={!known}
              title={known ? undefined : (lacking ?? "First a calendar that can be saved.")}
            >
              Save window
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

const Choose = ({ draft, onChoose }: { draft: ImportDraft; onChoose: (name: string, text: string) => void }) => (
  <Group gap="xs">
    <FileButton
      accept=".ics,.ical,text/calendar"
      onChange={(chosen) => void chosen?.text().then((text) => onChoose(chosen.name, text))}
    >
      {(props) => (
        <Button {...props} variant="default" leftSection={<Icon name="upload" size={14} />}>
          Choose a calendar…
        </Button>
      )}
    </FileButton>
    <span className={classes.dim}>{draft.file?.name ?? "An .ics file: holidays, freezes, a shift plan."}</span>
  </Group>
);

interface FieldsProps {
  draft: ImportDraft;
  zones: readonly string[];
  said: Said;
  onChange: (patch: Partial<ImportDraft>) => void;
}

const Fields = ({ draft, zones, said, onChange }: FieldsProps) => (
  <>
    <TextInput
      label="Name"
      required
      maxLength={200}
      value={draft.name}
      error={said("name")}
      onChange={(event) => onChange({ name: event.currentTarget.value })}
    />
    <Radio.Group
      label="During its events"
      value={draft.kind}
      onChange={(kind) => onChange({ kind: kind === "allow" ? "allow" : "deny" })}
    >
      <Group gap="md" mt={4}>
        <Radio size="sm" value="deny" label="nothing starts (blackout)" />
        <Radio size="sm" value="allow" label="work may start, and only then" />
      </Group>
    </Radio.Group>
    <Radio.Group
      label="What may not start"
      value={draft.when_closed}
      onChange={(chosen) => onChange({ when_closed: chosen === "defer" ? "defer" : "skip" })}
    >
      <Group gap="md" mt={4}>
        <Radio size="sm" value="skip" label="is skipped" />
        <Radio size="sm" value="defer" label="waits for the first instant at which it may" />
      </Group>
    </Radio.Group>
    <Select
      label="Zone of times that have none"
      placeholder="the one that the file names"
      clearable
      searchable
      limit={80}
      data={[...zones]}
      value={draft.timezone}
      error={said("timezone")}
      onChange={(timezone) => onChange({ timezone })}
    />
  </>
);

const LEFT_OUT = { ended: "is over", cancelled: "is cancelled" } as const;

/** Its events as stretches of the window, and those that make none. */
const Becomes = ({ imported }: { imported: ImportedCalendar }) => (
  <section aria-label="What becomes of it">
    <Text size="sm" fw={500}>
      {imported.spans.length === 1 ? "One event" : `${imported.spans.length.toLocaleString("en")} events`}
    </Text>
    <ul className={classes.words} data-scrolls>
      {imported.spans.map((span, place) => (
        <li key={place}>
          {typeof span["name"] === "string" && <strong>{span["name"]}: </strong>}
          {imported.span_texts[place]}
        </li>
      ))}
      {imported.left_out.map((one, place) => (
        <li key={`out ${place}`} className={classes.dim}>
          {one.name ?? one.uid ?? "One"} {LEFT_OUT[one.reason]}, and left out.
        </li>
      ))}
    </ul>
  </section>
);

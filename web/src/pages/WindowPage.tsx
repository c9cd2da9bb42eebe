import { Alert, Button } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useMemo, useState } from "react";
import { can } from "@/api/can";
import { asProblem } from "@/api/problem";
import { useMay } from "@/api/session";
import { bodyOf, draftPreviewQuery, useSaveWindow, type Window, windowQuery } from "@/api/windows";
import { AttachmentPicker } from "@/features/pickers/AttachmentPicker";
import { Attachments } from "@/features/windows/Attachments";
import { DeleteWindow } from "@/features/windows/DeleteWindow";
import { PreviewPanel } from "@/features/windows/PreviewPanel";
import { KindMark, Now } from "@/features/windows/window-columns";
import { newWindow } from "@/features/windows/window-form";
import { WindowFields } from "@/features/windows/WindowFields";
import classes from "@/features/windows/windows.module.css";
import { paths } from "@/lib/paths";
import { refusedAt, refusedElsewhere } from "@/lib/refusals";
import { browserZone, zoneNames } from "@/lib/time";
import { useTextParam } from "@/lib/use-id-param";
import { AppLink } from "@/ui/AppLink";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Reading } from "@/ui/Reading";

/** One window: what it is, when it is open, what it covers; a new one at `/windows/new`. */
const WindowPage = () => {
  const told = useTextParam("windowId");
  const id = /^\d{1,15}$/.test(told) ? Number(told) : 0;
  const { data, error, refetch } = useQuery({ ...windowQuery(id), enabled: told !== "" });
  if (told === "") return <Editor key="new" before={null} />;
  if (error)
    return (
      <>
        <PageHeader title="Window" />
        <ProblemAlert problem={error} onRetry={() => void refetch()} />
      </>
    );
  if (!data) return <Reading what="the window" />;
  return <Editor key={data.id} before={data} />;
};

const FIELDS = [...["name", "description", "kind", "zone_source", "when_closed", "cutoff_seconds", "spans", "attachments"]];

const Editor = ({ before }: { before: Window | null }) => {
  const navigate = useNavigate();
  const create = useMay("windows:write");
  const [value, setValue] = useState(() => (before ? bodyOf(before) : newWindow(browserZone(), new Date())));
  const [isDeleting, setDeleting] = useState(false);
  const zones = useMemo(() => zoneNames(), []);
  const [asked] = useDebouncedValue(value, 400);
  const save = useSaveWindow(before);
  // The name is of no matter for when it is open, and changes with each key.
  const preview = useQuery({
    ...draftPreviewQuery({ ...asked, name: "draft", description: "", attachments: [] }),
    placeholderData: keepPreviousData,
  });
  const update = before ? can(before, "update") : create;
  const remove = before ? can(before, "delete") : null;
  const problem = save.error ?? (preview.error ? asProblem(preview.error) : null);
  const said = refusedAt(problem);
  const submit = (): void =>
    save.mutate(value, {
      onSuccess: (saved) => {
        if (!before) void navigate({ to: paths.window(saved.id) });
      },
    });
  return (
    <>
      <PageHeader
        title={before ? before.name : "New Window"}
        beside={before && <KindMark kind={before.kind} />}
        actions={
          <>
            <Button variant="default" component={AppLink} to={paths.windows()}>
              All windows
            </Button>
            {before && (
              <Button
                variant="default"
                data-disabled={remove?.reason ? true : undefined}
                aria-disabled={remove?.reason ? true : undefined}
                title={remove?.reason ?? undefined}
                onClick={() => !remove?.reason && setDeleting(true)}
              >
                Delete…
              </Button>
            )}
          </>
        }
      >
        {before && <Now window={before} />}
      </PageHeader>
      {update.reason && (
        <Alert color="gray" variant="light" mb="sm" title="You may look at it only">
          {update.reason}
        </Alert>
      )}
      <form
        className={classes.editor}
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <fieldset className={classes.form} disabled={!update.allowed} aria-label="The window">
          <WindowFields
            value={value}
            zone={browserZone()}
            zones={zones}
            said={said}
            onChange={(changed) => {
              if (save.error) save.reset();
              setValue(changed);
            }}
            attachments={
              <Attachments
                value={value.attachments}
                said={said}
                more={before?.spans_other_sites ? "It covers more, in sites that you do not see." : null}
                picker={(one, error, onChange) => <AttachmentPicker value={one} error={error} onChange={onChange} />}
                onChange={(attachments) => {
                  if (save.error) save.reset();
                  setValue({ ...value, attachments });
                }}
              />
            }
          />
        </fieldset>
        <div className={classes.beside}>
          <PreviewPanel
            kind={value.kind}
            preview={preview.error ? undefined : preview.data}
            isReading={preview.isFetching}
            problem={preview.error ? (said("spans") ?? asProblem(preview.error).detail) : null}
          />
          <ProblemAlert problem={refusedElsewhere(save.error, FIELDS)} />
          {save.error && !refusedElsewhere(save.error, FIELDS) && (
            <Alert color="red" variant="light" role="alert">
              It is not saved: see what is marked.
            </Alert>
          )}
          {update.allowed && (
            <div className={classes.save}>
              <Button type="submit" loading={save.isPending}>
                {before ? "Save" : "Save window"}
              </Button>
              <span className={classes.dim}>It counts from then on, for whatever has not started.</span>
            </div>
          )}
        </div>
      </form>
      {isDeleting && before && (
        <DeleteWindow window={before} onClose={() => setDeleting(false)} onDone={() => void navigate({ to: paths.windows() })} />
      )}
    </>
  );
};

export default WindowPage;

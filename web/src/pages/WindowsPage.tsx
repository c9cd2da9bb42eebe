import { Button, Group } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { can } from "@/api/can";
import { useMay } from "@/api/session";
import { useSites } from "@/api/sites";
import { useToggleWindow, type WindowRow, windowsQuery } from "@/api/windows";
import { AttachmentPicker } from "@/features/pickers/AttachmentPicker";
import { Attachments } from "@/features/windows/Attachments";
import { DeleteWindow } from "@/features/windows/DeleteWindow";
import { ImportDialog } from "@/features/windows/ImportDialog";
import { KINDS, WINDOW_COLUMNS } from "@/features/windows/window-columns";
import { paths } from "@/lib/paths";
import { flag, oneOf, text, texts, wholeNumber } from "@/lib/search-params";
import { zoneNames } from "@/lib/time";
import { readAll, useUrlState } from "@/lib/url-state";
import { useColumns } from "@/lib/use-columns";
import { AppLink } from "@/ui/AppLink";
import { ColumnChoice } from "@/ui/ColumnChoice";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar, FilterSelect } from "@/ui/FilterBar";
import { IconAction } from "@/ui/IconAction";
import { Icon } from "@/ui/icons";
import { PageHeader } from "@/ui/PageHeader";

const FIELDS = {
  q: text(),
  kind: oneOf(KINDS.map((one) => one.value)),
  enabled: flag(),
  site_id: wholeNumber(),
  columns: texts(),
};
const SWITCHES = [
  { value: "true", label: "On" },
  { value: "false", label: "Off" },
] as const;

/** Automation > Windows: when work may start, on what, and what becomes of what may not. */
const WindowsPage = () => {
  const [state, setState] = useUrlState(FIELDS);
  const [columns, setColumns] = useColumns("windows", state.columns, (chosen) => setState({ columns: chosen }));
  const [isImporting, setImporting] = useState(false);
  const [toDelete, setToDelete] = useState<WindowRow | null>(null);
  const navigate = useNavigate();
  const sites = useSites();
  const create = useMay("windows:write");
  const toggle = useToggleWindow();
  const query = {
    q: state.q || undefined,
    kind: state.kind ?? undefined,
    enabled: state.enabled ?? undefined,
    site_id: state.site_id ?? undefined,
  };
  const windows = useInfiniteQuery({ ...windowsQuery(query), placeholderData: keepPreviousData });
  const isFiltered = Object.values(query).some((one) => one !== undefined);
  const clear = (): void => setState(readAll(FIELDS, { columns: state.columns }));
  const newWindow = create.allowed ? (
    <>
      <Button variant="default" leftSection={<Icon name="upload" size={14} />} onClick={() => setImporting(true)}>
        From a calendar…
      </Button>
      <Button component={AppLink} to={paths.newWindow()} leftSection={<Icon name="add" size={14} />}>
        New Window
      </Button>
    </>
  ) : null;
  const empty = isFiltered ? (
    <EmptyState
      icon="search"
      title="No window is like that."
      action={
        <Button variant="default" onClick={clear}>
          Clear filters
        </Button>
      }
    >
      Loosen a filter, or clear them all.
    </EmptyState>
  ) : (
    <EmptyState icon="window" title="There is no window yet." action={<Group gap="xs">{newWindow}</Group>}>
      Without one, work starts whenever it is due. A blackout keeps it away from hours that matter.{" "}
      {create.allowed ? "Make the first one." : create.reason}
    </EmptyState>
  );
  return (
    <>
      <PageHeader title="Windows" actions={newWindow} />
      <FilterBar
        q={state.q}
        onSearch={(q) => setState({ q })}
        placeholder="Find a window by its name"
        onClear={isFiltered ? clear : undefined}
        end={<ColumnChoice columns={WINDOW_COLUMNS} shown={columns} onChange={setColumns} />}
      >
        <FilterSelect label="Any kind" value={state.kind} options={KINDS} onChange={(kind) => setState({ kind })} />
        <FilterSelect
          label="On or off"
          value={state.enabled === null ? null : state.enabled ? "true" : "false"}
          options={SWITCHES}
          onChange={(chosen) => setState({ enabled: chosen === null ? null : chosen === "true" })}
        />
        <FilterSelect
          label="Any site"
          value={state.site_id === null ? null : String(state.site_id)}
          options={sites.map((one) => ({ value: String(one.id), label: one.name }))}
          onChange={(id) => setState({ site_id: id === null ? null : Number(id) })}
        />
      </FilterBar>
      <DataTable
        label="Windows"
        query={windows}
        columns={WINDOW_COLUMNS}
        shown={columns}
        rowId={(one) => String(one.id)}
        rowName={(one) => one.name}
        empty={empty}
        onOpen={(one) => void navigate({ to: paths.window(one.id) })}
        actions={(one) => (
          <>
            <IconAction
              label={`Turn ${one.name} ${one.enabled ? "off" : "on"}`}
              icon={one.enabled ? "pause" : "resume"}
              reason={can(one, "update").reason}
              onClick={() => toggle.mutate({ window: one, enabled: !one.enabled })}
            />
            <IconAction
              label={`Delete ${one.name}`}
              icon="delete"
              reason={can(one, "delete").reason}
              onClick={() => setToDelete(one)}
            />
          </>
        )}
      />
      {isImporting && (
        <ImportDialog
          zones={zoneNames()}
          covers={(value, said, onChange) => (
            <Attachments
              value={value}
              said={said}
              more={null}
              picker={(one, error, changed) => <AttachmentPicker value={one} error={error} onChange={changed} />}
              onChange={onChange}
            />
          )}
          onSaved={(saved) => void navigate({ to: paths.window(saved.id) })}
          onClose={() => setImporting(false)}
        />
      )}
      {toDelete && <DeleteWindow window={toDelete} onClose={() => setToDelete(null)} />}
    </>
  );
};

export default WindowsPage;

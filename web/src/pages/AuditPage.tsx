import { Autocomplete, Button, Group, TextInput } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { actorsQuery, type AuditEntry, auditFile, auditQuery } from "@/api/audit";
import { useMay } from "@/api/session";
import { useSites } from "@/api/sites";
import { auditColumns } from "@/features/audit/audit-columns";
import { kindInWords, OBJECT_KINDS } from "@/features/audit/audit-words";
import { EntryDialog } from "@/features/audit/EntryDialog";
import { boundsOf, RANGE_NAMES } from "@/lib/ranges";
import { oneOfOr, text, wholeNumber } from "@/lib/search-params";
import { readAll, useUrlState } from "@/lib/url-state";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterSelect } from "@/ui/FilterBar";
import { IconAction } from "@/ui/IconAction";
import { PageHeader } from "@/ui/PageHeader";
import { RangeFilter } from "@/ui/RangeFilter";

const FIELDS = {
  operator_id: wholeNumber(),
  action: text(),
  object_kind: text(),
  object_id: text(),
  site_id: wholeNumber(),
  range: oneOfOr(RANGE_NAMES, "7d"),
  from: text(),
  to: text(),
};
const ACTIONS = [
  ...["job.create", "job.update", "job.toggle", "job.rerun", "job.cancel", "job.delete", "occurrence.release", "occurrence.skip"],
  ...[
    "outage.decide",
    "window.create",
    "window.update",
    "window.delete",
    "assembly.update",
    "device.updated",
    "operator.created",
  ],
];
const KINDS = OBJECT_KINDS.map((value) => ({ value, label: kindInWords(value) }));

/** Settings > Audit: who did what to which object, when, and from where; as a file too. */
const AuditPage = () => {
  const [state, setState] = useUrlState(FIELDS);
  const [opened] = useState(() => new Date());
  const [shown, setShown] = useState<AuditEntry | null>(null);
  const sites = useSites();
  const may = useMay("audit:read");
  const people = useMay("operators:write");
  const actors = useQuery({ ...actorsQuery(), enabled: people.allowed }).data ?? [];
  const { from, to } = boundsOf(state, opened);
  const query = {
    operator_id: state.operator_id ?? undefined,
    action: state.action || undefined,
    object_kind: state.object_kind || undefined,
    object_id: state.object_id || undefined,
    site_id: state.site_id ?? undefined,
    since: from,
    until: to,
  };
  const entries = useInfiniteQuery({ ...auditQuery(query), placeholderData: keepPreviousData });
  const columns = useMemo(() => auditColumns((id) => sites.find((one) => one.id === id)?.name ?? `Site ${id}`), [sites]);
  const { since, until, ...rest } = query;
  const isFiltered = state.range !== "7d" || Object.values(rest).some((one) => one !== undefined);
  const clear = (): void => setState(readAll(FIELDS, {}));
  const kind = KINDS.find((one) => one.value === state.object_kind)?.value ?? null;
  return (
    <>
      <PageHeader
        title="Audit"
        actions={
          may.allowed &&
          (["csv", "jsonl"] as const).map((format) => (
            <Button key={format} variant="default" component="a" href={auditFile({ ...rest, since, until }, format)} download>
              {format === "csv" ? "Export CSV" : "Export JSON lines"}
            </Button>
          ))
        }
      >
        Who did what to which object, when, and from where. Entries are never changed.
      </PageHeader>
      <Group gap="xs" mb="sm" role="search" aria-label="Filters of the trail">
        <RangeFilter state={state} onChange={setState} />
        {people.allowed && (
          <FilterSelect
            label="Anybody"
            value={state.operator_id === null ? null : String(state.operator_id)}
            options={actors.map((one) => ({ value: String(one.id), label: one.username }))}
            onChange={(id) => setState({ operator_id: id === null ? null : Number(id) })}
          />
        )}
        <Lazy label="Any action" value={state.action} data={ACTIONS} onChange={(action) => setState({ action })} />
        <FilterSelect
          label="Any object"
          value={kind}
          options={KINDS}
          onChange={(object_kind) => setState({ object_kind: object_kind ?? "" })}
        />
        <Lazy label="Its id" value={state.object_id} onChange={(object_id) => setState({ object_id })} />
        <FilterSelect
          label="Any site"
          value={state.site_id === null ? null : String(state.site_id)}
          options={sites.map((one) => ({ value: String(one.id), label: one.name }))}
          onChange={(id) => setState({ site_id: id === null ? null : Number(id) })}
        />
        {isFiltered && (
          <Button variant="subtle" color="gray" onClick={clear}>
            Clear filters
          </Button>
        )}
      </Group>
      <DataTable
        label="Audit"
        query={entries}
        columns={columns}
        rowId={(one) => String(one.id)}
        rowName={(one) => one.action}
        empty={
          isFiltered ? (
            <EmptyState
              icon="search"
              title="No entry is like that."
              action={
                <Button variant="default" onClick={clear}>
                  Clear filters
                </Button>
              }
            >
              Loosen a filter, or look at a longer time.
            </EmptyState>
          ) : (
            <EmptyState icon="audit" title="Nothing was done in the last seven days.">
              Look at a longer time.
            </EmptyState>
          )
        }
        onOpen={setShown}
        actions={(one) => <IconAction label={`All of the entry ${one.action}`} icon="more" onClick={() => setShown(one)} />}
      />
      {shown && <EntryDialog one={shown} onClose={() => setShown(null)} />}
    </>
  );
};

interface LazyProps {
  label: string;
  value: string;
  data?: string[];
  onChange: (value: string) => void;
}

/** A text that asks once it is left or Enter is pressed: half a word finds nothing. */
const Lazy = ({ label, value, data, onChange }: LazyProps) => {
  const [typed, setTyped] = useState(value);
  const [told, setTold] = useState(value);
  if (value !== told) {
    setTold(value);
    setTyped(value);
  }
  const tell = (): void => {
    if (typed.trim() !== value) onChange(typed.trim());
  };
  const shared = {
    size: "xs",
    w: 148,
    "aria-label": label,
    placeholder: label,
    value: typed,
    maxLength: 200,
    onBlur: tell,
    onKeyDown: (event: { key: string }) => event.key === "Enter" && tell(),
  } as const;
  if (data) return <Autocomplete {...shared} data={data} onChange={setTyped} onOptionSubmit={onChange} />;
  return <TextInput {...shared} onChange={(event) => setTyped(event.currentTarget.value)} />;
};

export default AuditPage;

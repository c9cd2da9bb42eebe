import { Alert, Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useRef, useState } from "react";
import { can } from "@/api/can";
import {
  type Filter,
  type FilterField,
  filterFieldsQuery,
  filterQuery,
  useArchiveFilter,
  useCloneFilter,
  useCreateFilter,
  useUpdateFilter,
} from "@/api/filters";
import { asProblem } from "@/api/problem";
import { useMay } from "@/api/session";
import { useSites } from "@/api/sites";
import { FilterForm } from "@/features/filters/FilterForm";
import { LeaveDialog, type LeaveKind } from "@/features/filters/LeaveDialog";
import { UsagePanel } from "@/features/filters/UsagePanel";
import { paths } from "@/lib/paths";
import { useIdParam, useTextParam } from "@/lib/use-id-param";
import { AppLink } from "@/ui/AppLink";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { PageHeader } from "@/ui/PageHeader";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Reading } from "@/ui/Reading";
import { StateBadge } from "@/ui/StateBadge";

/** A filter, new or saved: its criteria with a live preview, what uses it, and what can be done with it. */
const FilterPage = () => {
  const isNew = useTextParam("filterId") === "";
  const filterId = useIdParam("filterId");
  const fields = useQuery(filterFieldsQuery());
  const filter = useQuery({ ...filterQuery(filterId), enabled: !isNew });
  const error = fields.error ?? filter.error;
  if (error && !(fields.data && (isNew || filter.data)))
    return (
      <ProblemAlert
        problem={asProblem(error)}
        onRetry={() => {
          void fields.refetch();
          if (!isNew) void filter.refetch();
        }}
      />
    );
  if (!fields.data || (!isNew && !filter.data)) return <Reading what="the filter" />;
  return filter.data && !isNew ? <Saved key={filterId} now={filter.data} fields={fields.data} /> : <New fields={fields.data} />;
};

const useSiteChoices = () => useSites().map((one) => ({ value: String(one.id), label: one.name }));

const New = ({ fields }: { fields: readonly FilterField[] }) => {
  const navigate = useNavigate();
  const sites = useSiteChoices();
  const may = useMay("filters:write");
  const isDone = useRef(false);
  const create = useCreateFilter((filter) => {
    isDone.current = true;
    void navigate({ to: paths.filter(filter.id) });
  });
  return (
    <>
      <PageHeader title="New Filter">Devices by what is known of them; jobs ask it anew whenever they start.</PageHeader>
      <FilterForm
        before={null}
        fields={fields}
        sites={sites}
        reason={may.reason}
        busy={create.isPending}
        problem={create.error}
        isDone={isDone}
        onSave={(body) => create.mutate(body)}
        onEdit={create.reset}
      />
    </>
  );
};

/** `now` is how the Engine has it; the form goes on from what was read or saved last, so that nothing typed is lost. */
const Saved = ({ now, fields }: { now: Filter; fields: readonly FilterField[] }) => {
  const [base, setBase] = useState(now);
  const [leaving, setLeaving] = useState<LeaveKind | null>(null);
  const isDone = useRef(false);
  const navigate = useNavigate();
  const sites = useSiteChoices();
  const may = useMay("filters:write");
  const update = useUpdateFilter(setBase);
  const clone = useCloneFilter((copy) => void navigate({ to: paths.filter(copy.id) }));
  const archive = useArchiveFilter();
  const isBehind = now.revision > base.revision;
  const left = (): void => {
    setLeaving(null);
    if (leaving !== "delete") return;
    isDone.current = true;
    void navigate({ to: paths.filters() });
  };
  const removal = can(now, "delete");
  const archival = can(now, now.archived_at ? "unarchive" : "archive");
  const actions = (
    <>
      <Button
        component={AppLink}
        to={paths.devices({ filter_id: now.id })}
        variant="default"
        leftSection={<Icon name="device" size={14} />}
      >
        Its devices
      </Button>
      <Button
        variant="default"
        leftSection={<Icon name="duplicate" size={14} />}
        disabled={!may.allowed}
        title={may.reason ?? undefined}
        loading={clone.isPending}
        onClick={() => clone.mutate(now)}
      >
        Copy
      </Button>
      <Button
        variant="default"
        disabled={!archival.allowed}
        title={archival.reason ?? undefined}
        loading={archive.isPending}
        onClick={() => (now.archived_at ? archive.mutate({ filter: now, archived: false }) : setLeaving("archive"))}
      >
        {now.archived_at ? "Bring back" : "Archive…"}
      </Button>
      <Button
        variant="default"
        leftSection={<Icon name="delete" size={14} />}
        disabled={!removal.allowed}
        title={removal.reason ?? undefined}
        onClick={() => setLeaving("delete")}
      >
        Delete…
      </Button>
    </>
  );
  return (
    <>
      <PageHeader title={now.name} beside={now.archived_at && <StateBadge state="archived" />} actions={actions}>
        Revision {now.revision}, <Instant at={now.updated_at} show="relative" />
        {now.updated_by && ` by ${now.updated_by}`}
      </PageHeader>
      {isBehind && (
        <Alert
          color="yellow"
          mb="sm"
          title={`Revision ${now.revision} was saved meanwhile`}
          icon={<Icon name="warning" size={18} />}
        >
          What you see is revision {base.revision} with your changes.{" "}
          <Button variant="default" onClick={() => setBase(now)}>
            Take the saved one
          </Button>
        </Alert>
      )}
      <FilterForm
        key={base.revision}
        before={base}
        fields={fields}
        sites={sites}
        reason={can(now, "update").reason}
        busy={update.isPending}
        problem={update.error}
        isDone={isDone}
        aside={<UsagePanel filterId={now.id} />}
        onSave={(body) => update.mutate({ filter: base, body })}
        onEdit={update.reset}
      />
      {leaving && <LeaveDialog kind={leaving} filter={now} onClose={() => setLeaving(null)} onDone={left} />}
    </>
  );
};

export default FilterPage;

import { Button } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { can } from "@/api/can";
import { type Filter, filtersQuery, useArchiveFilter, useCloneFilter } from "@/api/filters";
import { useMay } from "@/api/session";
import { FILTER_COLUMNS } from "@/features/filters/filter-columns";
import { ARCHIVED, FILTER_FILTERS, queryOf } from "@/features/filters/filter-filters";
import { LeaveDialog } from "@/features/filters/LeaveDialog";
import { paths } from "@/lib/paths";
import { useUrlState } from "@/lib/url-state";
import { AppLink } from "@/ui/AppLink";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar, FilterSelect } from "@/ui/FilterBar";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import { PageHeader } from "@/ui/PageHeader";

/** Inventory > Filters: saved questions about devices, asked anew whenever a job starts. */
const FiltersPage = () => {
  const [state, setState] = useUrlState(FILTER_FILTERS);
  const [leaving, setLeaving] = useState<Filter | null>(null);
  const navigate = useNavigate();
  const may = useMay("filters:write");
  const clone = useCloneFilter((copy) => void navigate({ to: paths.filter(copy.id) }));
  const archive = useArchiveFilter();
  const query = queryOf(state);
  const filters = useInfiniteQuery({ ...filtersQuery(query), placeholderData: keepPreviousData });
  const isFiltered = Boolean(state.q) || state.archived !== null;
  const clear = (): void => setState({ q: "", archived: null });
  const add = may.allowed ? (
    <Button component={AppLink} to={paths.newFilter()} leftSection={<Icon name="add" size={14} />}>
      New Filter
    </Button>
  ) : null;
  const actions = (filter: Filter) => (
    <>
      <IconAction
        label={`Show the devices of ${filter.name}`}
        icon="device"
        reason={filter.archived_at ? "It is archived." : null}
        onClick={() => void navigate({ to: "/devices", search: { filter_id: String(filter.id) } })}
      />
      <IconAction label={`Copy ${filter.name}`} icon="duplicate" reason={may.reason} onClick={() => clone.mutate(filter)} />
      {filter.archived_at ? (
        <IconAction
          label={`Bring ${filter.name} back`}
          icon="resume"
          reason={can(filter, "unarchive").reason}
          onClick={() => archive.mutate({ filter, archived: false })}
        />
      ) : (
        <IconAction
          label={`Archive ${filter.name}`}
          icon="held"
          reason={can(filter, "archive").reason}
          onClick={() => setLeaving(filter)}
        />
      )}
    </>
  );
  const empty = isFiltered ? (
    <EmptyState
      icon="search"
      title="No filter is like that."
      action={
        <Button variant="default" onClick={clear}>
          Clear filters
        </Button>
      }
    />
  ) : (
    <EmptyState icon="filter" title="There is no filter yet." action={add}>
      A filter names devices by what is known of them, such as all Linux servers of a site.{" "}
      {may.allowed ? "Make the first one." : may.reason}
    </EmptyState>
  );
  return (
    <>
      <PageHeader title="Filters" actions={add} />
      <FilterBar
        q={state.q}
        onSearch={(q) => setState({ q })}
        placeholder="Find a filter by its name"
        onClear={isFiltered ? clear : undefined}
      >
        <FilterSelect label="In use" value={state.archived} options={ARCHIVED} onChange={(archived) => setState({ archived })} />
      </FilterBar>
      <DataTable
        label="Filters"
        query={filters}
        columns={FILTER_COLUMNS}
        rowId={(filter) => String(filter.id)}
        rowName={(filter) => filter.name}
        empty={empty}
        sort={state.sort}
        onSort={(next) => setState({ sort: next as typeof state.sort })}
        onOpen={(filter) => void navigate({ to: paths.filter(filter.id) })}
        actions={actions}
      />
      {leaving && (
        <LeaveDialog kind="archive" filter={leaving} onClose={() => setLeaving(null)} onDone={() => setLeaving(null)} />
      )}
    </>
  );
};

export default FiltersPage;

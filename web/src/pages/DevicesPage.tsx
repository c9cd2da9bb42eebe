import { Button } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { devicesQuery } from "@/api/devices";
import { filterNamesQuery } from "@/api/filters";
import { useMay } from "@/api/session";
import { useSites } from "@/api/sites";
import type { View } from "@/api/views";
import { deviceCount } from "@/features/devices/amounts";
import { DEVICE_COLUMNS } from "@/features/devices/device-columns";
import { DEVICE_FILTERS, OS_FAMILIES, PRESENCES, queryOf, STATUSES } from "@/features/devices/device-filters";
import classes from "@/features/devices/devices.module.css";
import { TagFilter } from "@/features/devices/TagFilter";
import { TagsDialog } from "@/features/devices/TagsDialog";
import { ViewsMenu } from "@/features/views/ViewsMenu";
import { paths } from "@/lib/paths";
import { readAll, useUrlState } from "@/lib/url-state";
import { useColumns } from "@/lib/use-columns";
import { AppLink } from "@/ui/AppLink";
import { ColumnChoice } from "@/ui/ColumnChoice";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar, FilterSelect } from "@/ui/FilterBar";
import { Icon } from "@/ui/icons";
import { PageHeader } from "@/ui/PageHeader";

/** Inventory > Devices: every machine that the caller sees, and whether it is there now. */
const DevicesPage = () => {
  const [state, setState] = useUrlState(DEVICE_FILTERS);
  const [columns, setColumns] = useColumns("devices", state.columns, (chosen) => setState({ columns: chosen }));
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [isTagging, setIsTagging] = useState(false);
  const navigate = useNavigate();
  const sites = useSites();
  const saved = useQuery(filterNamesQuery()).data ?? [];
  const write = useMay("devices:write");
  const query = queryOf(state);
  const devices = useInfiniteQuery({ ...devicesQuery(query), placeholderData: keepPreviousData });
  const { sort = "hostname", ...filters } = query;
  const isFiltered = Object.values<unknown>(filters).some((one) => one !== undefined);
  const clear = (): void => setState(readAll(DEVICE_FILTERS, { sort: state.sort, columns: state.columns }));
  const choose = (view: View | null): void => {
    const raw = Object.fromEntries(
      Object.entries(view?.query ?? {}).map(([name, value]) => [name, Array.isArray(value) ? value.map(String) : String(value)]),
    );
    setState({ ...readAll(DEVICE_FILTERS, raw), view: view?.id ?? null, columns: view?.columns ?? [] });
  };
  const numbered = (things: readonly { id: number; name: string }[]) =>
    things.map((one) => ({ value: String(one.id), label: one.name }));
  const asText = (id: number | null): string | null => (id === null ? null : String(id));
  const asId = (text: string | null): number | null => (text === null ? null : Number(text));
  return (
    <>
      <PageHeader
        title="Devices"
        actions={
          <Button component={AppLink} to={paths.sites()} variant="default" leftSection={<Icon name="add" size={14} />}>
            Enrol a device
          </Button>
        }
      />
      <FilterBar
        q={state.q}
        onSearch={(q) => setState({ q })}
        placeholder="Find by name or description"
        onClear={isFiltered ? clear : undefined}
        end={
          <>
            <ViewsMenu screen="devices" current={state.view} query={{ ...query }} columns={[...columns]} onChoose={choose} />
            <ColumnChoice columns={DEVICE_COLUMNS} shown={columns} onChange={setColumns} />
          </>
        }
      >
        <FilterSelect
          label="On- or offline"
          value={state.online === null ? null : state.online ? "true" : "false"}
          options={PRESENCES}
          onChange={(value) => setState({ online: value === null ? null : value === "true" })}
        />
        <FilterSelect
          label="Any site"
          value={asText(state.site_id)}
          options={numbered(sites)}
          onChange={(id) => setState({ site_id: asId(id) })}
        />
        <FilterSelect
          label="Any system"
          value={state.os_family}
          options={OS_FAMILIES}
          onChange={(os_family) => setState({ os_family })}
        />
        <FilterSelect
          label="Any filter"
          value={asText(state.filter_id)}
          options={numbered(saved)}
          onChange={(id) => setState({ filter_id: asId(id) })}
        />
        <FilterSelect label="Not revoked" value={state.status} options={STATUSES} onChange={(status) => setState({ status })} />
        <TagFilter value={state.tag} onChange={(tag) => setState({ tag })} />
      </FilterBar>
      {selected.size > 0 && (
        <div className={`wb-panel ${classes.bulk}`} role="toolbar" aria-label="Actions on the selected devices">
          <strong>{deviceCount(selected.size)} selected</strong>
          <Button
            variant="default"
            leftSection={<Icon name="tag" size={14} />}
            disabled={!write.allowed}
            title={write.reason ?? undefined}
            onClick={() => setIsTagging(true)}
          >
            Tag…
          </Button>
          <Button variant="subtle" color="gray" onClick={() => setSelected(new Set())}>
            Clear selection
          </Button>
        </div>
      )}
      <DataTable
        label="Devices"
        query={devices}
        columns={DEVICE_COLUMNS}
        shown={columns}
        rowId={(device) => device.id}
        rowName={(device) => device.hostname}
        empty={<Empty onClear={isFiltered ? clear : null} />}
        sort={sort}
        onSort={(next) => setState({ sort: next as typeof state.sort })}
        selected={selected}
        onSelect={setSelected}
        onOpen={(device) => void navigate({ to: paths.device(device.id) })}
      />
      {isTagging && (
        <TagsDialog
          deviceIds={[...selected]}
          onClose={() => setIsTagging(false)}
          onDone={() => {
            setIsTagging(false);
            setSelected(new Set());
          }}
        />
      )}
    </>
  );
};

const Empty = ({ onClear }: { onClear: (() => void) | null }) =>
  onClear ? (
    <EmptyState
      icon="search"
      title="No device is like that."
      action={
        <Button variant="default" onClick={onClear}>
          Clear filters
        </Button>
      }
    >
      Loosen a filter, or clear them all.
    </EmptyState>
  ) : (
    <EmptyState
      icon="device"
      title="There is no device yet."
      action={
        <Button component={AppLink} to={paths.sites()} leftSection={<Icon name="site" size={14} />}>
          To the sites
        </Button>
      }
    >
      A machine becomes a device by the enrolment command of its site, and somebody’s yes.
    </EmptyState>
  );

export default DevicesPage;

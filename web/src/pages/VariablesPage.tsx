import { Button } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useMay } from "@/api/session";
import { useSites } from "@/api/sites";
import { useDeleteVariable, type VariableValue, variablesQuery } from "@/api/variables";
import { DevicePicker } from "@/features/pickers/DevicePicker";
import { Precedence } from "@/features/variables/Precedence";
import { VARIABLE_COLUMNS } from "@/features/variables/variable-columns";
import { placeInWords, queryOf, SCOPES, VARIABLE_FILTERS } from "@/features/variables/variable-filters";
import { VariableDialog } from "@/features/variables/VariableDialog";
import { readAll, useUrlState } from "@/lib/url-state";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar, FilterSelect } from "@/ui/FilterBar";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import { PageHeader } from "@/ui/PageHeader";

type Asked = { what: "set"; one: VariableValue | null } | { what: "remove"; one: VariableValue };

/** Settings > Variables: values that scripts find on a device, by its site or everywhere. */
const VariablesPage = () => {
  const [state, setState] = useUrlState(VARIABLE_FILTERS);
  const [asked, setAsked] = useState<Asked | null>(null);
  const may = useMay("variables:write");
  const sites = useSites();
  const remove = useDeleteVariable();
  const query = queryOf(state);
  const list = useInfiniteQuery({ ...variablesQuery(query), placeholderData: keepPreviousData });
  const isFiltered = Object.values<unknown>(query).some((one) => one !== undefined);
  const clear = (): void => setState(readAll(VARIABLE_FILTERS, {}));
  const close = (): void => {
    remove.reset();
    setAsked(null);
  };
  const create = may.allowed ? (
    <Button leftSection={<Icon name="add" size={14} />} onClick={() => setAsked({ what: "set", one: null })}>
      Set Variable
    </Button>
  ) : null;
  const empty = isFiltered ? (
    <EmptyState
      icon="search"
      title="No value is like that."
      action={
        <Button variant="default" onClick={clear}>
          Clear filters
        </Button>
      }
    >
      Loosen a filter, or clear them all.
    </EmptyState>
  ) : (
    <EmptyState icon="variable" title="No value is set yet." action={create}>
      Set what differs from site to site or device to device once, here, instead of in each job. {may.reason}
    </EmptyState>
  );
  return (
    <>
      <PageHeader title="Variables" actions={create}>
        <Precedence />
      </PageHeader>
      <FilterBar
        q={state.q}
        onSearch={(q) => setState({ q })}
        placeholder="Find a variable by its name"
        onClear={isFiltered ? clear : undefined}
      >
        <FilterSelect label="For anything" value={state.scope} options={SCOPES} onChange={(scope) => setState({ scope })} />
        <FilterSelect
          label="Any site"
          value={state.site_id === null ? null : String(state.site_id)}
          options={sites.map((one) => ({ value: String(one.id), label: one.name }))}
          onChange={(id) => setState({ site_id: id === null ? null : Number(id) })}
        />
      </FilterBar>
      <DataTable
        label="Variables"
        query={list}
        columns={VARIABLE_COLUMNS}
        rowId={(one) => String(one.id)}
        rowName={(one) => `${one.name} for ${placeInWords(one)}`}
        empty={empty}
        onOpen={(one) => may.allowed && setAsked({ what: "set", one })}
        actions={(one) => (
          <>
            <IconAction
              label={`Set ${one.name} for ${placeInWords(one)} anew`}
              icon="edit"
              reason={may.reason}
              onClick={() => setAsked({ what: "set", one })}
            />
            <IconAction
              label={`Take ${one.name} for ${placeInWords(one)} away`}
              icon="delete"
              reason={may.reason}
              onClick={() => setAsked({ what: "remove", one })}
            />
          </>
        )}
      />
      {asked?.what === "set" && (
        <VariableDialog
          before={asked.one}
          devicePicker={(value, error, onChange) => (
            <DevicePicker label="Device" isLabelled value={value} error={error} onChange={onChange} />
          )}
          onClose={close}
        />
      )}
      {asked?.what === "remove" && (
        <ConfirmDialog
          opened
          danger
          title="Take the value away"
          confirm="Take it away"
          busy={remove.isPending}
          problem={remove.error}
          onClose={close}
          onConfirm={() => remove.mutate(asked.one, { onSuccess: close })}
        >
          {asked.one.name} has no value for {placeInWords(asked.one)} any more; scripts get the next weaker one, if there is one.
          {asked.one.is_secret && " The secret is forgotten for good."}
        </ConfirmDialog>
      )}
    </>
  );
};

export default VariablesPage;

import { Button } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { can } from "@/api/can";
import { type Credential, credentialsQuery } from "@/api/credentials";
import { useMay } from "@/api/session";
import { useSites } from "@/api/sites";
import { CREDENTIAL_COLUMNS } from "@/features/credentials/credential-columns";
import { CREDENTIAL_FILTERS, KINDS, queryOf, STATES } from "@/features/credentials/credential-filters";
import { CredentialDialog } from "@/features/credentials/CredentialDialog";
import { DeleteDialog } from "@/features/credentials/DeleteDialog";
import { UsageDialog } from "@/features/credentials/UsageDialog";
import { readAll, useUrlState } from "@/lib/url-state";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar, FilterSelect } from "@/ui/FilterBar";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import { PageHeader } from "@/ui/PageHeader";

type Asked = { what: "write"; one: Credential | null } | { what: "usage" | "delete"; one: Credential };

/** Automation > Credentials: what jobs sign in to devices with. Secrets are written here, and read by nobody. */
const CredentialsPage = () => {
  const [state, setState] = useUrlState(CREDENTIAL_FILTERS);
  const [asked, setAsked] = useState<Asked | null>(null);
  const may = useMay("credentials:write");
  const sites = useSites();
  const query = queryOf(state);
  const list = useInfiniteQuery({ ...credentialsQuery(query), placeholderData: keepPreviousData });
  const isFiltered = Object.values<unknown>(query).some((one) => one !== undefined);
  const clear = (): void => setState(readAll(CREDENTIAL_FILTERS, {}));
  const close = (): void => setAsked(null);
  const create = may.allowed ? (
    <Button leftSection={<Icon name="add" size={14} />} onClick={() => setAsked({ what: "write", one: null })}>
      New Credential
    </Button>
  ) : null;
  const empty = isFiltered ? (
    <EmptyState
      icon="search"
      title="No credential is like that."
      action={
        <Button variant="default" onClick={clear}>
          Clear filters
        </Button>
      }
    >
      Loosen a filter, or clear them all.
    </EmptyState>
  ) : (
    <EmptyState icon="credential" title="There is no credential yet." action={create}>
      Jobs that reach devices by SSH or WinRM sign in with one, or with the account that the Engine keeps on each device.{" "}
      {may.reason}
    </EmptyState>
  );
  return (
    <>
      <PageHeader title="Credentials" actions={create}>
        What jobs sign in to devices with. Secrets are kept sealed and shown to nobody.
      </PageHeader>
      <FilterBar
        q={state.q}
        onSearch={(q) => setState({ q })}
        placeholder="Find a credential by its name"
        onClear={isFiltered ? clear : undefined}
      >
        <FilterSelect label="Any kind" value={state.kind} options={KINDS} onChange={(kind) => setState({ kind })} />
        <FilterSelect
          label="Any site"
          value={state.site_id === null ? null : String(state.site_id)}
          options={sites.map((one) => ({ value: String(one.id), label: one.name }))}
          onChange={(id) => setState({ site_id: id === null ? null : Number(id) })}
        />
        <FilterSelect label="Any state" value={state.state} options={STATES} onChange={(chosen) => setState({ state: chosen })} />
      </FilterBar>
      <DataTable
        label="Credentials"
        query={list}
        columns={CREDENTIAL_COLUMNS}
        rowId={(one) => String(one.id)}
        rowName={(one) => one.name}
        empty={empty}
        onOpen={(one) => setAsked({ what: can(one, "update").allowed ? "write" : "usage", one })}
        actions={(one) => (
          <>
            <IconAction
              label={`Jobs that sign in with ${one.name}`}
              icon="job"
              onClick={() => setAsked({ what: "usage", one })}
            />
            <IconAction
              label={`Change ${one.name}`}
              icon="edit"
              reason={can(one, "update").reason}
              onClick={() => setAsked({ what: "write", one })}
            />
            <IconAction
              label={`Delete ${one.name}`}
              icon="delete"
              reason={can(one, "delete").reason}
              onClick={() => setAsked({ what: "delete", one })}
            />
          </>
        )}
      />
      {asked?.what === "write" && <CredentialDialog before={asked.one} onClose={close} />}
      {asked?.what === "usage" && <UsageDialog one={asked.one} onClose={close} />}
      {asked?.what === "delete" && <DeleteDialog one={asked.one} onClose={close} />}
    </>
  );
};

export default CredentialsPage;

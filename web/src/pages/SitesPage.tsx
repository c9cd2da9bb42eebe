import { Button } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { useMay } from "@/api/session";
import { siteListQuery, useCreateSite } from "@/api/sites";
import { SITE_COLUMNS } from "@/features/sites/site-columns";
import { SiteForm } from "@/features/sites/SiteForm";
import { paths } from "@/lib/paths";
import { text } from "@/lib/search-params";
import { useUrlState } from "@/lib/url-state";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar } from "@/ui/FilterBar";
import { Icon } from "@/ui/icons";
import { PageHeader } from "@/ui/PageHeader";

const STATE = { q: text() };

/** Inventory > Sites: where devices stand, how they come in, and whose clocks they have. */
const SitesPage = () => {
  const [state, setState] = useUrlState(STATE);
  const [isCreating, setIsCreating] = useState(false);
  const navigate = useNavigate();
  const may = useMay("sites:write");
  const sites = useInfiniteQuery({ ...siteListQuery(state.q || undefined), placeholderData: keepPreviousData });
  const create = useCreateSite((site) => void navigate({ to: paths.site(site.id) }));
  const close = (): void => {
    create.reset();
    setIsCreating(false);
  };
  const add = may.allowed ? (
    <Button leftSection={<Icon name="add" size={14} />} onClick={() => setIsCreating(true)}>
      New Site
    </Button>
  ) : null;
  const empty = state.q ? (
    <EmptyState
      icon="search"
      title="No site is called like that."
      action={
        <Button variant="default" onClick={() => setState({ q: "" })}>
          Clear filters
        </Button>
      }
    />
  ) : (
    <EmptyState icon="site" title="There is no site yet." action={add}>
      A site is where devices stand. It has an enrolment code of its own, by which they come in.{" "}
      {may.allowed ? "Make the first one." : may.reason}
    </EmptyState>
  );
  return (
    <>
      <PageHeader title="Sites" actions={add} />
      <FilterBar
        q={state.q}
        onSearch={(q) => setState({ q })}
        placeholder="Find a site by its name"
        onClear={state.q ? () => setState({ q: "" }) : undefined}
      />
      <DataTable
        label="Sites"
        query={sites}
        columns={SITE_COLUMNS}
        rowId={(site) => String(site.id)}
        rowName={(site) => site.name}
        empty={empty}
        onOpen={(site) => void navigate({ to: paths.site(site.id) })}
      />
      {isCreating && (
        <SiteForm
          title="New site"
          submit="Create site"
          busy={create.isPending}
          problem={create.error}
          onClose={close}
          onSubmit={(body) => create.mutate(body)}
        />
      )}
    </>
  );
};

export default SitesPage;

import { Button, FileButton } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { assembliesQuery, useImportArchive, useImportAssembly } from "@/api/assemblies";
import { useMay } from "@/api/session";
import { ASSEMBLY_COLUMNS } from "@/features/assemblies/assembly-columns";
import { ARCHIVED, ASSEMBLY_FILTERS, queryOf } from "@/features/assemblies/assembly-filters";
import { AssemblyMenu } from "@/features/assemblies/AssemblyMenu";
import { ANSIBLE, INTERPRETERS, WORKFLOW } from "@/features/assemblies/draft";
import { paths } from "@/lib/paths";
import { readAll, useUrlState } from "@/lib/url-state";
import { useColumns } from "@/lib/use-columns";
import { isWorkflow, RunWorkflowAction } from "@/pages/RunWorkflow";
import { AppLink } from "@/ui/AppLink";
import { ColumnChoice } from "@/ui/ColumnChoice";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar, FilterSelect } from "@/ui/FilterBar";
import { Icon } from "@/ui/icons";
import { PageHeader } from "@/ui/PageHeader";

/** Automation > Assemblies: the scripts, playbooks and workflows that jobs run. */
const AssembliesPage = () => {
  const [state, setState] = useUrlState(ASSEMBLY_FILTERS);
  const [columns, setColumns] = useColumns("assemblies", state.columns, (chosen) => setState({ columns: chosen }));
  const navigate = useNavigate();
  const may = useMay("assemblies:write");
  const open = (id: string): void => void navigate({ to: paths.assembly(id) });
  const bring = useImportAssembly((saved) => open(saved.id));
  const unpack = useImportArchive((saved) => open(saved.id));
  const take = (file: File | null): void => {
    if (file?.name.toLowerCase().endsWith(".zip")) unpack.mutate(file);
    else if (file) void file.text().then((text) => bring.mutate(text));
  };
  const list = useInfiniteQuery({ ...assembliesQuery(queryOf(state)), placeholderData: keepPreviousData });
  const isFiltered = state.q !== "" || state.interpreter !== null || state.archived !== "false";
  const clear = (): void => setState(readAll(ASSEMBLY_FILTERS, { columns: state.columns }));
  const create = may.allowed ? (
    <Button component={AppLink} to={paths.newAssembly()} leftSection={<Icon name="add" size={14} />}>
      New Assembly
    </Button>
  ) : null;
  const empty = isFiltered ? (
    <EmptyState
      icon="search"
      title="No assembly is like that."
      action={
        <Button variant="default" onClick={clear}>
          Clear filters
        </Button>
      }
    >
      Loosen a filter, or clear them all.
    </EmptyState>
  ) : (
    <EmptyState icon="assembly" title="There is no assembly yet." action={create}>
      An assembly is a script or a playbook with the variables that it needs, or a workflow of several. Jobs run assemblies.{" "}
      {may.allowed ? "Write the first one." : may.reason}
    </EmptyState>
  );
  return (
    <>
      <PageHeader
        title="Assemblies"
        actions={
          may.allowed && (
            <>
              <FileButton accept=".yaml,.yml,.zip,text/yaml,application/zip" onChange={take}>
                {(props) => (
                  <Button {...props} variant="default" loading={bring.isPending || unpack.isPending}>
                    Import YAML or zip
                  </Button>
                )}
              </FileButton>
              <Button
                component={AppLink}
                to={paths.newAssembly({ kind: "workflow" })}
                variant="default"
                leftSection={<Icon name="workflow" size={14} />}
              >
                New Workflow
              </Button>
              {create}
            </>
          )
        }
      />
      <FilterBar
        q={state.q}
        onSearch={(q) => setState({ q })}
        placeholder="Find an assembly by its name"
        onClear={isFiltered ? clear : undefined}
        end={<ColumnChoice columns={ASSEMBLY_COLUMNS} shown={columns} onChange={setColumns} />}
      >
        <FilterSelect
          label="Any interpreter"
          value={state.interpreter}
          options={[...INTERPRETERS, ANSIBLE, WORKFLOW]}
          onChange={(interpreter) => setState({ interpreter })}
        />
        <FilterSelect
          label="Not archived"
          value={state.archived === "false" ? null : state.archived}
          options={ARCHIVED}
          onChange={(archived) => setState({ archived: archived ?? "false" })}
        />
      </FilterBar>
      <DataTable
        label="Assemblies"
        query={list}
        columns={ASSEMBLY_COLUMNS}
        shown={columns}
        rowId={(one) => one.id}
        rowName={(one) => one.name}
        empty={empty}
        onOpen={(one) => open(one.id)}
        actions={(one) => (
          <>
            {isWorkflow(one) && <RunWorkflowAction workflow={one} />}
            <AssemblyMenu assembly={one} reason={may.reason} />
          </>
        )}
      />
    </>
  );
};

export default AssembliesPage;

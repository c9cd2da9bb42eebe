import { Button } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { operatorsQuery } from "@/api/operators";
import { useMay, useSession } from "@/api/session";
import { useSites } from "@/api/sites";
import { operatorColumns } from "@/features/operators/operator-columns";
import { type Asked, OperatorCommands } from "@/features/operators/OperatorCommands";
import { OperatorRowActions } from "@/features/operators/OperatorRowActions";
import { text } from "@/lib/search-params";
import { useUrlState } from "@/lib/url-state";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar } from "@/ui/FilterBar";
import { Icon } from "@/ui/icons";
import { PageHeader } from "@/ui/PageHeader";

const STATE = { q: text() };

/** Settings > Operators: who may sign in, and what each may do where. */
const OperatorsPage = () => {
  const may = useMay("operators:write");
  if (may.allowed) return <Operators />;
  return (
    <>
      <PageHeader title="Operators" />
      <div className="wb-panel">
        <EmptyState icon="operator" title="Accounts are for those who manage them.">
          {may.reason} Your own password is in the account menu, your tokens under API Tokens.
        </EmptyState>
      </div>
    </>
  );
};

const Operators = () => {
  const [{ q }, setState] = useUrlState(STATE);
  const [asked, setAsked] = useState<Asked | null>(null);
  const sites = useSites();
  const me = useSession()?.operator.id;
  const columns = useMemo(() => operatorColumns(sites, me), [sites, me]);
  const list = useInfiniteQuery({ ...operatorsQuery({ q: q || undefined }), placeholderData: keepPreviousData });
  return (
    <>
      <PageHeader
        title="Operators"
        actions={
          <Button leftSection={<Icon name="add" size={14} />} onClick={() => setAsked({ command: "edit", operator: null })}>
            New Operator
          </Button>
        }
      />
      <FilterBar
        q={q}
        onSearch={(next) => setState({ q: next })}
        placeholder="Find an operator by name"
        onClear={q ? () => setState({ q: "" }) : undefined}
      />
      <DataTable
        label="Operators"
        query={list}
        columns={columns}
        rowId={(one) => String(one.id)}
        rowName={(one) => one.username}
        empty={
          <EmptyState icon="search" title="Nobody has that name.">
            Look for a part of the username, or clear the filter.
          </EmptyState>
        }
        onOpen={(operator) => setAsked({ command: "edit", operator })}
        actions={(operator) => <OperatorRowActions operator={operator} onAsk={setAsked} />}
      />
      <OperatorCommands asked={asked} onClose={() => setAsked(null)} />
    </>
  );
};

export default OperatorsPage;

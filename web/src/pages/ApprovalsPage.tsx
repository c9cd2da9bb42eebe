import { Button, SegmentedControl } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";
import { type Approval, approvalsQuery, type Decision } from "@/api/approvals";
import { useMay } from "@/api/session";
import { useSites } from "@/api/sites";
import { approvalColumns } from "@/features/approvals/approval-columns";
import { APPROVAL_FILTERS, APPROVAL_STATES, queryOf } from "@/features/approvals/approval-filters";
import { ApprovalCards } from "@/features/approvals/ApprovalCards";
import classes from "@/features/approvals/approvals.module.css";
import { DecideDialog } from "@/features/approvals/DecideDialog";
import { DecideManyDialog, machines } from "@/features/approvals/DecideManyDialog";
import { WorkflowApprovals } from "@/features/workflow-run/WorkflowApprovals";
import { paths } from "@/lib/paths";
import { oneOfOr } from "@/lib/search-params";
import { useUrlState } from "@/lib/url-state";
import { useIsPhone } from "@/lib/use-is-phone";
import { ApprovalTabs } from "@/pages/ApprovalTabs";
import { AppLink } from "@/ui/AppLink";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar, FilterSelect } from "@/ui/FilterBar";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import { PageHeader } from "@/ui/PageHeader";

interface Asked {
  decision: Decision;
  approvals: readonly Approval[];
}

const KINDS = { kind: oneOfOr(["devices", "workflows"] as const, "devices") };

/** Inventory > Device Approvals: what asks for a person's yes or no: machines that want to come in, and workflows. */
const ApprovalsPage = () => {
  const [{ kind }] = useUrlState(KINDS);
  return (
    <>
      <PageHeader title={kind === "workflows" ? "Workflow Approvals" : "Device Approvals"} />
      <ApprovalTabs kind={kind} />
      {kind === "workflows" ? <WorkflowApprovals /> : <DeviceApprovals />}
    </>
  );
};

const DeviceApprovals = () => {
  const [state, setState] = useUrlState(APPROVAL_FILTERS);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [asked, setAsked] = useState<Asked | null>(null);
  const isPhone = useIsPhone();
  const sites = useSites();
  const may = useMay("approvals:decide");
  const query = useInfiniteQuery({ ...approvalsQuery(queryOf(state)), placeholderData: keepPreviousData });
  const all = useMemo(() => query.data?.pages.flatMap((page) => page.items) ?? [], [query.data]);
  const isWaiting = state.state === "pending";
  const columns = useMemo(() => approvalColumns(all, isWaiting), [all, isWaiting]);
  // What somebody else has decided meanwhile is chosen no more.
  const chosen = all.filter((one) => selected.has(one.id) && one.state === "pending");
  const one = asked?.approvals.length === 1 ? asked.approvals[0] : undefined;
  const decide = (decision: Decision, approvals: readonly Approval[]): void => setAsked({ decision, approvals });
  const done = (): void => {
    setSelected(new Set());
    setAsked(null);
  };
  const isFiltered = Boolean(state.q) || state.site_id !== null;
  const clear = (): void => setState({ q: "", site_id: null });
  const table = {
    query,
    empty: <Empty isFiltered={isFiltered} isWaiting={isWaiting} onClear={clear} />,
    rowId: (approval: Approval) => approval.id,
    rowName: (approval: Approval) => approval.hostname,
  };
  return (
    <>
      <SegmentedControl
        className={classes.tabs}
        size="xs"
        aria-label="Which requests"
        data={[...APPROVAL_STATES]}
        value={state.state}
        onChange={(value) => {
          setSelected(new Set());
          setState({ state: APPROVAL_STATES.find((other) => other.value === value)?.value ?? "pending" });
        }}
      />
      <FilterBar
        q={state.q}
        onSearch={(q) => setState({ q })}
        placeholder="Find by host name or address"
        onClear={isFiltered ? clear : undefined}
      >
        <FilterSelect
          label="Any site"
          value={state.site_id === null ? null : String(state.site_id)}
          options={sites.map((site) => ({ value: String(site.id), label: site.name }))}
          onChange={(id) => setState({ site_id: id === null ? null : Number(id) })}
        />
      </FilterBar>
      {chosen.length > 0 && (
        <div className={`wb-panel ${classes.bulk}`} role="toolbar" aria-label="Actions on the selected requests">
          <strong>{machines(chosen.length)} selected</strong>
          <Button disabled={!may.allowed} title={may.reason ?? undefined} onClick={() => decide("approve", chosen)}>
            Approve…
          </Button>
          <Button
            variant="default"
            disabled={!may.allowed}
            title={may.reason ?? undefined}
            onClick={() => decide("deny", chosen)}
          >
            Deny…
          </Button>
          <Button variant="subtle" color="gray" onClick={() => setSelected(new Set())}>
            Clear selection
          </Button>
        </div>
      )}
      {isPhone && all.length > 0 ? (
        <ApprovalCards
          approvals={all}
          selected={selected}
          onSelect={setSelected}
          reason={may.reason}
          onDecide={(decision, approval) => decide(decision, [approval])}
          onMore={query.hasNextPage ? () => void query.fetchNextPage() : undefined}
        />
      ) : (
        <DataTable
          label="Device approvals"
          {...table}
          columns={columns}
          selected={isWaiting ? selected : undefined}
          onSelect={isWaiting ? setSelected : undefined}
          rowKeys={
            isWaiting && may.allowed
              ? [
                  { keys: "a", does: "Approve the machine", run: (row) => decide("approve", [row]) },
                  { keys: "d", does: "Deny the machine", run: (row) => decide("deny", [row]) },
                ]
              : []
          }
          actions={
            isWaiting
              ? (row) => (
                  <>
                    <IconAction
                      label={`Approve ${row.hostname}`}
                      icon="approval"
                      reason={may.reason}
                      onClick={() => decide("approve", [row])}
                    />
                    <IconAction
                      label={`Deny ${row.hostname}`}
                      icon="cancelled"
                      reason={may.reason}
                      onClick={() => decide("deny", [row])}
                    />
                  </>
                )
              : undefined
          }
        />
      )}
      {asked && one && <DecideDialog decision={asked.decision} approval={one} onClose={() => setAsked(null)} onDone={done} />}
      {asked && !one && (
        <DecideManyDialog decision={asked.decision} chosen={asked.approvals} onClose={() => setAsked(null)} onDone={done} />
      )}
    </>
  );
};

const Empty = ({ isFiltered, isWaiting, onClear }: { isFiltered: boolean; isWaiting: boolean; onClear: () => void }) => {
  if (isFiltered)
    return (
      <EmptyState
        icon="search"
        title="No request is like that."
        action={
          <Button variant="default" onClick={onClear}>
            Clear filters
          </Button>
        }
      />
    );
  if (!isWaiting) return <EmptyState icon="approval" title="There are none." />;
  return (
    <EmptyState
      icon="approval"
      title="Nobody waits."
      action={
        <Button component={AppLink} to={paths.sites()} leftSection={<Icon name="site" size={14} />}>
          To the sites
        </Button>
      }
    >
      A machine appears here when it asks with the enrolment code of a site.
    </EmptyState>
  );
};

export default ApprovalsPage;

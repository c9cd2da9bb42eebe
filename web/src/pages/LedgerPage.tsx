import { Button, SegmentedControl } from "@mantine/core";
import { keepPreviousData, useInfiniteQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { type LedgerEntry, ledgerQuery } from "@/api/ledger";
import { useMay } from "@/api/session";
import { useSites } from "@/api/sites";
import { type HeldCommand, HeldDialog } from "@/features/ledger/HeldDialog";
import { LEDGER_COLUMNS, linkOf } from "@/features/ledger/ledger-columns";
import { isFiltered, LEDGER_FILTERS, queryOf, REASONS, SHOWN } from "@/features/ledger/ledger-filters";
import { JobPicker } from "@/features/pickers/JobPicker";
import { paths } from "@/lib/paths";
import { boundsOf } from "@/lib/ranges";
import { readAll, useUrlState } from "@/lib/url-state";
import { useColumns } from "@/lib/use-columns";
import { AppLink } from "@/ui/AppLink";
import { ColumnChoice } from "@/ui/ColumnChoice";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { FilterBar, FilterSelect } from "@/ui/FilterBar";
import { IconAction } from "@/ui/IconAction";
import { PageHeader } from "@/ui/PageHeader";
import { RangeFilter } from "@/ui/RangeFilter";

/** Automation > Ledger: every due instant that did not run as planned, and why; what is held can be let go or skipped. */
const LedgerPage = () => {
  const [state, setState] = useUrlState(LEDGER_FILTERS);
  const [columns, setColumns] = useColumns("ledger", state.columns, (chosen) => setState({ columns: chosen }));
  const [asked, setAsked] = useState<HeldCommand | null>(null);
  const [opened] = useState(() => new Date());
  const navigate = useNavigate();
  const sites = useSites();
  const run = useMay("jobs:run");
  const override = useMay("windows:override");
  const entries = useInfiniteQuery({
    ...ledgerQuery(queryOf(state, boundsOf(state, opened))),
    placeholderData: keepPreviousData,
  });
  const clear = (): void => setState(readAll(LEDGER_FILTERS, { show: state.show, columns: state.columns }));
  const mayRelease = (one: LedgerEntry): string | null =>
    run.reason ?? (one.reason === "held_by_window" ? override.reason : null);
  const empty = isFiltered(state) ? (
    <EmptyState
      icon="search"
      title="Nothing is like that."
      action={
        <Button variant="default" onClick={clear}>
          Clear filters
        </Button>
      }
    >
      Loosen a filter, or look at a longer time.
    </EmptyState>
  ) : (
    <EmptyState icon="ledger" title={NOTHING[state.show]}>
      In the last seven days every due instant is accounted for.{" "}
      {state.show !== "all" && <AppLink to={paths.ledger({ show: "all" })}>See everything that ran.</AppLink>}
    </EmptyState>
  );
  return (
    <>
      <PageHeader title="Ledger">What did not happen as planned, and why: nothing that was due goes missing.</PageHeader>
      <SegmentedControl
        size="xs"
        mb="xs"
        aria-label="What is shown"
        data={[...SHOWN]}
        value={state.show}
        onChange={(value) => setState({ show: SHOWN.find((one) => one.value === value)?.value ?? "not_run", reason: null })}
        style={{ alignSelf: "flex-start", flex: "none", maxWidth: "100%", overflowX: "auto" }}
      />
      <FilterBar
        q={state.q}
        onSearch={(q) => setState({ q })}
        placeholder="Find by a job’s name"
        onClear={isFiltered(state) ? clear : undefined}
        end={<ColumnChoice columns={LEDGER_COLUMNS} shown={columns} onChange={setColumns} />}
      >
        <RangeFilter state={state} onChange={setState} />
        <JobPicker label="Any job" value={state.job_id} onChange={(job_id) => setState({ job_id })} />
        <FilterSelect
          label="Any site"
          value={state.site_id === null ? null : String(state.site_id)}
          options={sites.map((one) => ({ value: String(one.id), label: one.name }))}
          onChange={(id) => setState({ site_id: id === null ? null : Number(id) })}
        />
        {state.show !== "late" && (
          <FilterSelect label="Any reason" value={state.reason} options={REASONS} onChange={(reason) => setState({ reason })} />
        )}
      </FilterBar>
      <DataTable
        label="Ledger"
        query={entries}
        columns={LEDGER_COLUMNS}
        shown={columns}
        rowId={(one) => one.id}
        rowName={(one) => one.job_name}
        empty={empty}
        onOpen={(one) => void navigate({ to: linkOf(one) })}
        actions={(one) =>
          one.state === "held" && (
            <>
              <IconAction
                label={`Run ${one.job_name} now`}
                icon="run"
                reason={mayRelease(one)}
                onClick={() => setAsked({ does: "release", one })}
              />
              <IconAction
                label={`Skip this occurrence of ${one.job_name}`}
                icon="skipped"
                reason={run.reason}
                onClick={() => setAsked({ does: "skip", one })}
              />
            </>
          )
        }
      />
      {asked && <HeldDialog asked={asked} onClose={() => setAsked(null)} />}
    </>
  );
};

const NOTHING: Readonly<Record<(typeof SHOWN)[number]["value"], string>> = {
  not_run: "All that was due has run.",
  held: "Nothing is held.",
  missed: "Nothing was missed.",
  skipped: "Nothing was skipped.",
  late: "Nothing ran late.",
  all: "Nothing was due.",
};

export default LedgerPage;

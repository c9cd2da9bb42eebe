import { Button } from "@mantine/core";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useState } from "react";
import { can } from "@/api/can";
import type { JobReply } from "@/api/jobs";
import { type Address, addressesExport } from "@/api/onboarding";
import type { Occurrence } from "@/api/runs";
import { useMay } from "@/api/session";
import { ADDRESS_FILTERS, isFiltered, NO_FILTER, sourceOf } from "@/features/onboarding/address-filters";
import { countOf, nameOf } from "@/features/onboarding/address-words";
import { AddressCounts } from "@/features/onboarding/AddressCounts";
import { Addresses } from "@/features/onboarding/Addresses";
import { type AddressCommand, AddressPanel } from "@/features/onboarding/AddressPanel";
import { ForgetHostKey } from "@/features/onboarding/ForgetHostKey";
import { type Asked, LookAgainDialog, LookAgainMenu } from "@/features/onboarding/LookAgainMenu";
import { OnboardingHead } from "@/features/onboarding/OnboardingHead";
import { useAddresses } from "@/features/onboarding/use-addresses";
import run from "@/features/run/run.module.css";
import { HeldBar } from "@/features/run/HeldBar";
import { Elapsed } from "@/features/run/RunHead";
import { StopDialogs } from "@/features/run/StopDialogs";
import { useKeys } from "@/lib/keys";
import { paths } from "@/lib/paths";
import { useUrlState } from "@/lib/url-state";
import { ApproveMany } from "@/pages/ApproveMany";
import { ApproveRow } from "@/pages/ApproveRow";
import { JobFrame } from "@/pages/JobFrame";
import { FilterBar } from "@/ui/FilterBar";
import { Icon } from "@/ui/icons";

type Row = { command: AddressCommand; one: Address };

/** One occurrence of a job that looks for machines: every address of its scope, what became of it, and what is to be decided. */
export const OnboardingView = ({ job, one }: { job: JobReply; one: Occurrence }) => {
  const [state, setState] = useUrlState(ADDRESS_FILTERS);
  const [isHeld, setHeld] = useState(false);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [row, setRow] = useState<Row | null>(null);
  const [approving, setApproving] = useState<"shown" | "selected" | null>(null);
  const [isStopping, setStopping] = useState(false);
  const navigate = useNavigate();
  const mayDecide = useMay("approvals:decide");
  const mayRerun = can(job, "rerun");
  const stop = can(job, "cancel");
  const source = sourceOf(job.id, one.id, state);
  const { query, counts, unfinished, moved } = useAddresses(source, isHeld);
  const open = useCallback((address: Address) => setState({ target: address.id }), [setState]);
  const close = (): void => setState({ target: null });
  useKeys(state.target === null ? [] : [{ keys: "Escape", does: "Close the timeline", group: "List", run: close }]);
  const started = (): void => void navigate({ to: paths.jobRun(job.id) });

  const total = countOf(counts, { state: [], reason: [] });
  const waiting = countOf(counts, { state: ["waiting_approval"], reason: [] });
  const command = (what: AddressCommand, address: Address): void => setRow({ command: what, one: address });
  return (
    <JobFrame
      job={job}
      tab="run"
      actions={
        <>
          {one.state === "open" && (
            <span title={stop.reason ?? undefined}>
              <Button
                variant="default"
                c={stop.allowed ? "var(--wb-bad)" : undefined}
                disabled={!stop.allowed}
                leftSection={<Icon name="stop" size={14} />}
                onClick={() => setStopping(true)}
              >
                Stop…
              </Button>
            </span>
          )}
          <LookAgainMenu
            job={job}
            occurrenceId={one.id}
            unfinished={unfinished}
            selected={selected}
            may={mayRerun}
            onStarted={started}
          />
        </>
      }
    >
      <OnboardingHead
        job={job}
        one={one}
        elapsed={<Elapsed one={one} />}
        onChoose={(id) => setState({ ...NO_FILTER, occurrence: id, target: null })}
      >
        {one.state === "held" && <HeldBar job={job} one={one} release={mayRerun} skip={stop} />}
        {one.state !== "held" && (one.state !== "skipped" || total > 0) && (
          <AddressCounts jobId={job.id} counts={counts} state={state} />
        )}
      </OnboardingHead>
      {total > 0 && (
        <>
          <FilterBar
            q={state.q}
            onSearch={(q) => setState({ q })}
            placeholder="Find an address or a name"
            onClear={isFiltered(state) ? () => setState(NO_FILTER) : undefined}
            end={
              <Button
                variant="default"
                component="a"
                href={addressesExport(job.id, one.id)}
                download
                leftSection={<Icon name="download" size={14} />}
              >
                Save as CSV
              </Button>
            }
          >
            {waiting > 0 && (
              <span title={mayDecide.reason ?? undefined}>
                <Button
                  disabled={!mayDecide.allowed}
                  leftSection={<Icon name="approval" size={14} />}
                  onClick={() => setApproving("shown")}
                >
                  Approve {isFiltered(state) ? "those shown" : `all ${waiting.toLocaleString("en")} waiting`}…
                </Button>
              </span>
            )}
            {selected.size > 0 && waiting > 0 && (
              <Button variant="default" disabled={!mayDecide.allowed} onClick={() => setApproving("selected")}>
                Approve the selected…
              </Button>
            )}
            {moved !== 0 && (
              <Button variant="subtle" onClick={() => void query.refetch()}>
                {Math.abs(moved).toLocaleString("en")} {moved > 0 ? "more" : "fewer"} by now. Show them.
              </Button>
            )}
          </FilterBar>
          <div className={run.body} data-panes={state.target === null ? 1 : 2}>
            <div className={run.side} data-part="list">
              <Addresses
                query={query}
                state={state}
                mayDecide={mayDecide}
                selected={selected}
                onSelect={setSelected}
                onOpen={open}
                onCommand={command}
                onClear={() => setState(NO_FILTER)}
                onHeld={setHeld}
              />
            </div>
            {state.target !== null && (
              <div className={run.side} data-part="output">
                <AddressPanel
                  key={state.target}
                  targetId={state.target}
                  mayDecide={mayDecide}
                  mayRerun={mayRerun}
                  onCommand={command}
                  onClose={close}
                />
              </div>
            )}
          </div>
        </>
      )}
      <RowDialogs
        row={row}
        job={job}
        occurrenceId={one.id}
        onClose={() => setRow(null)}
        onCommand={command}
        onStarted={started}
      />
      {approving && (
        <ApproveMany source={source} only={approving === "selected" ? selected : null} onClose={() => setApproving(null)} />
      )}
      <StopDialogs asked={isStopping ? { kind: "run" } : null} job={job} one={one} onClose={() => setStopping(false)} />
    </JobFrame>
  );
};

interface RowDialogsProps {
  row: Row | null;
  job: JobReply;
  occurrenceId: string;
  onClose: () => void;
  onCommand: (command: AddressCommand, one: Address) => void;
  onStarted: () => void;
}

/** What asks before something is done about one address. */
const RowDialogs = ({ row, job, occurrenceId, onClose, onCommand, onStarted }: RowDialogsProps) => {
  if (!row) return null;
  const { command, one } = row;
  if (command === "forget") return <ForgetHostKey one={one} onClose={onClose} onDone={() => onCommand("retry", one)} />;
  if (command === "retry") {
    const asked: Asked = { targets: { target_ids: [one.id] }, words: `at ${nameOf(one)} alone.`, button: `Retry ${nameOf(one)}` };
    return (
      <LookAgainDialog
        job={job}
        occurrenceId={occurrenceId}
        asked={asked}
        onClose={onClose}
        onStarted={() => {
          onClose();
          onStarted();
        }}
      />
    );
  }
  return one.approval_id && <ApproveRow approvalId={one.approval_id} decision={command} onClose={onClose} />;
};

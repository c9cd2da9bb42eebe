import { Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type JobAway, type OutageTotals, outageQuery } from "@/api/ledger";
import { useMay } from "@/api/session";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { IconAction } from "@/ui/IconAction";
import { AWAY_COLUMNS } from "./away-columns";
import classes from "./away.module.css";
import { type Asked, DecideDialog } from "./DecideDialog";
import { type Action, ACTIONS, counted, hitBy, hitInWords } from "./outage-words";

const TOTALS: readonly (readonly [keyof OutageTotals, string])[] = [
  ["jobs", "jobs touched"],
  ["held", "held"],
  ["missed", "missed"],
  ["late", "ran late"],
  ["decided", "decided"],
];

const ORDER: readonly Action[] = ["release", "latest", "skip"];

/** One outage: what it did to each job, and a person's word on what is held. */
export const OutageView = ({ outageId, onOpen }: { outageId: number; onOpen: (jobId: number) => void }) => {
  const query = useInfiniteQuery(outageQuery(outageId));
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [asked, setAsked] = useState<Asked | null>(null);
  const { reason } = useMay("jobs:run");
  const first = query.data?.pages[0];
  const jobs = query.data?.pages.flatMap((page) => page.items) ?? [];
  const chosen = jobs.filter((one) => selected.has(String(one.job_id)));
  const about = chosen.length > 0 ? chosen : "all";
  const held = first ? hitBy(about, first.totals) : { held: 0, jobs: null };
  const why = reason ?? (held.held === 0 ? "Nothing of it is held." : null);
  return (
    <section className={classes.one} aria-label="The outage">
      {first && (
        <div className={`wb-panel ${classes.summary}`}>
          <div>
            <p style={{ margin: "0 0 0.5rem" }}>{first.detail}</p>
            <dl className={classes.totals}>
              {TOTALS.map(([name, word]) => (
                <div key={name}>
                  <dt>{word}</dt>
                  <dd>{first.totals[name].toLocaleString("en")}</dd>
                </div>
              ))}
            </dl>
          </div>
          <div className={classes.actions} role="toolbar" aria-label="What becomes of what is held">
            <span className={classes.when}>
              {chosen.length > 0 ? `${counted(chosen.length, "job")} selected: ${hitInWords(held)}` : "All jobs:"}
            </span>
            {ORDER.map((action) => (
              <Button
                key={action}
                variant={action === "release" ? "filled" : "default"}
                data-disabled={why ? true : undefined}
                aria-disabled={why ? true : undefined}
                aria-description={why ?? undefined}
                title={why ?? ACTIONS[action].says}
                onClick={() => !why && setAsked({ action, jobs: about })}
              >
                {ACTIONS[action].label}
              </Button>
            ))}
          </div>
        </div>
      )}
      <DataTable
        label="Jobs it touched"
        query={query}
        columns={AWAY_COLUMNS}
        rowId={(job) => String(job.job_id)}
        rowName={(job) => job.name}
        empty={
          <EmptyState icon="away" title="It touched no job that you see.">
            No job was due in that time.
          </EmptyState>
        }
        selected={selected}
        onSelect={setSelected}
        onOpen={(job) => onOpen(job.job_id)}
        actions={(job) => <RowActions job={job} reason={reason} onAsk={setAsked} />}
      />
      {asked && first && (
        <DecideDialog
          asked={asked}
          outageId={outageId}
          totals={first.totals}
          onClose={() => setAsked(null)}
          onDone={() => setSelected(new Set())}
        />
      )}
    </section>
  );
};

const RowActions = ({ job, reason, onAsk }: { job: JobAway; reason: string | null; onAsk: (asked: Asked) => void }) => {
  if (job.held === 0) return null;
  return (
    <>
      <IconAction
        label={`Run what is held of ${job.name}`}
        icon="run"
        reason={reason}
        onClick={() => onAsk({ action: "release", jobs: [job] })}
      />
      <IconAction
        label={`Skip what is held of ${job.name}`}
        icon="skipped"
        reason={reason}
        onClick={() => onAsk({ action: "skip", jobs: [job] })}
      />
    </>
  );
};

import { Button, Loader } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { contentQuery, membershipQuery, savesQuery } from "@/api/history";
import { groupsQuery, type Occurrence, occurrenceQuery } from "@/api/runs";
import { paths } from "@/lib/paths";
import { occurrenceState } from "@/lib/states";
import { terminalLines, textOf } from "@/lib/terminal";
import { AppLink } from "@/ui/AppLink";
import { languageOf } from "@/ui/code-language";
import { CountsBar } from "@/ui/CountsBar";
import { DiffView } from "@/ui/DiffView";
import { Duration } from "@/ui/Duration";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { StateBadge } from "@/ui/StateBadge";
import { changedVariables, compareComponents, type ComparedComponent, compareGroups, componentsOf, said } from "./compare";
import classes from "./history.module.css";

interface CompareViewProps {
  jobId: number;
  /** In any order. */
  ids: readonly [string, string];
  onBack: () => void;
}

/** Two occurrences of a job side by side: what ran, with which values, on whom, and what was written. */
export const CompareView = ({ jobId, ids, onBack }: CompareViewProps) => {
  const one = useQuery(occurrenceQuery(jobId, ids[0]));
  const other = useQuery(occurrenceQuery(jobId, ids[1]));
  const problem = one.error ?? other.error;
  const [before, after] = [one.data, other.data]
    .filter((some) => some !== null && some !== undefined)
    .sort((first, second) => first.scheduled_for_at.localeCompare(second.scheduled_for_at));
  return (
    <>
      <Button variant="default" onClick={onBack} style={{ alignSelf: "flex-start" }} mb="sm">
        Back to the history
      </Button>
      {problem ? (
        <ProblemAlert problem={problem} />
      ) : !before || !after ? (
        <div className={`wb-panel ${classes.waiting}`} role="status">
          <Loader size="sm" /> Reading both runs…
        </div>
      ) : (
        <div className={classes.compare}>
          <Heads before={before} after={after} />
          <WhatRan before={before} after={after} />
          <Saves before={before} after={after} />
          <Members before={before} after={after} />
          <Outputs before={before} after={after} />
        </div>
      )}
    </>
  );
};

interface Both {
  before: Occurrence;
  after: Occurrence;
}

const Part = ({ title, children }: { title: string; children: ReactNode }) => (
  <section className={`wb-panel ${classes.part}`} aria-label={title}>
    <h2>{title}</h2>
    {children}
  </section>
);

const Heads = ({ before, after }: Both) => (
  <div className={classes.heads}>
    {[before, after].map((one, place) => (
      <section key={one.id} className={`wb-panel ${classes.part}`} aria-label={place === 0 ? "The earlier run" : "The later run"}>
        <h2>
          {place === 0 ? "Earlier" : "Later"}:{" "}
          <AppLink to={paths.jobRun(one.job_id, one.id)} style={{ textDecoration: "underline" }}>
            <Instant at={one.scheduled_for_at} show="absolute" />
          </AppLink>
        </h2>
        <div className={classes.line}>
          <StateBadge state={occurrenceState(one)} />
          <span>revision {one.job_revision}</span>
          {one.opened_at && <Duration since={one.opened_at} until={one.closed_at} />}
        </div>
        <p className={classes.said}>{one.sentence}</p>
        <CountsBar counts={one.counts} linkOf={(state) => paths.jobRun(one.job_id, one.id, { state })} />
      </section>
    ))}
  </div>
);

const WhatRan = ({ before, after }: Both) => {
  const parts = compareComponents(componentsOf(before), componentsOf(after));
  const isSame = parts.every((one) => one.isSame && changedVariables(one).length === 0);
  return (
    <Part title="What ran">
      {isSame && (
        <p className={classes.said}>
          <Icon name="success" size={14} /> The same scripts with the same values:{" "}
          {parts.map((one) => `${one.after?.name ?? ""} (revision ${one.after?.revision ?? ""})`).join(", ")}.
        </p>
      )}
      {!isSame && parts.map((one) => <ComponentDiff key={one.position} one={one} />)}
    </Part>
  );
};

const ComponentDiff = ({ one }: { one: ComparedComponent }) => {
  const { before, after } = one;
  const name = after?.name ?? before?.name ?? "";
  const values = changedVariables(one);
  const isChanged = !one.isSame && before !== null && after !== null && before.assembly_id === after.assembly_id;
  return (
    <div className={classes.component}>
      <h3>
        {one.position + 1}. {name}
      </h3>
      {before === null && <p className={classes.said}>Only the later run has it.</p>}
      {after === null && <p className={classes.said}>Only the earlier run has it.</p>}
      {before && after && before.assembly_id !== after.assembly_id && (
        <p className={classes.said}>
          It was {before.name} (revision {before.revision}), and is {after.name} (revision {after.revision}).
        </p>
      )}
      {one.isSame && <p className={classes.said}>The same content, revision {after?.revision}.</p>}
      {isChanged && <ContentDiff before={before} after={after} />}
      {values.length > 0 && (
        <Changes
          caption="Values"
          rows={values.map((value) => [value.name, value.before ?? "not given", value.after ?? "not given"])}
        />
      )}
    </div>
  );
};

type Component = NonNullable<ComparedComponent["before"]>;

const ContentDiff = ({ before, after }: { before: Component; after: Component }) => {
  const one = useQuery(contentQuery(before.assembly_id, before.revision));
  const other = useQuery(contentQuery(after.assembly_id, after.revision));
  if (one.error ?? other.error) return <ProblemAlert problem={one.error ?? other.error} />;
  if (!one.data || !other.data) return <Loader size="xs" aria-label="Reading what ran" />;
  return (
    <DiffView
      before={one.data.content}
      after={other.data.content}
      language={languageOf(after.interpreter ?? "yaml")}
      labels={[`Revision ${before.revision}`, `Revision ${after.revision}`]}
      height="20rem"
    />
  );
};

const Changes = ({ caption, rows }: { caption: string; rows: readonly (readonly [string, string, string])[] }) => (
  <div className={classes.wide}>
    <table className={classes.table}>
      <caption>{caption}</caption>
      <thead>
        <tr>
          <th scope="col">What</th>
          <th scope="col">Earlier</th>
          <th scope="col">Later</th>
        </tr>
      </thead>
      <tbody>
        {rows.map(([name, first, second], place) => (
          <tr key={`${name} ${place}`}>
            <th scope="row">{name}</th>
            <td>{first}</td>
            <td>{second}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
);

const Saves = ({ before, after }: Both) => {
  const [from, to] = [before.job_revision, after.job_revision].sort((one, other) => one - other) as [number, number];
  const saves = useQuery({ ...savesQuery(before.job_id, from, to), enabled: from !== to });
  if (from === to)
    return (
      <Part title="The job">
        <p className={classes.said}>
          <Icon name="success" size={14} /> Saved the same: both are of revision {from}.
        </p>
      </Part>
    );
  return (
    <Part title="The job">
      {saves.error && <ProblemAlert problem={saves.error} />}
      {saves.data?.map((one) => (
        <div key={one.revision} className={classes.component}>
          <h3>
            Revision {one.revision}, by {one.changed_by ?? "the Engine"}, <Instant at={one.changed_at} />
          </h3>
          <Changes
            caption={`What revision ${one.revision} changed`}
            rows={one.changes.map((change) => [change.field, said(change.before) ?? "–", said(change.after) ?? "–"])}
          />
        </div>
      ))}
    </Part>
  );
};

const Members = ({ before, after }: Both) => {
  const found = useQuery(membershipQuery(before.job_id, before.id, after.id));
  const data = found.data;
  return (
    <Part title="Devices">
      {found.error && <ProblemAlert problem={found.error} />}
      {data && (
        <p className={classes.said}>
          {data.stayed.toLocaleString("en")} are in both, {data.joined.toLocaleString("en")} joined,{" "}
          {data.left.toLocaleString("en")} left.
        </p>
      )}
      {data && data.items.length > 0 && (
        <ul className={classes.moved}>
          {data.items.map((one) => (
            <li key={`${one.device_id} ${one.change}`}>
              <Icon name={one.change === "joined" ? "add" : "close"} size={13} />
              <AppLink to={paths.device(one.device_id)}>{one.hostname}</AppLink>
              <span className={classes.dim}>
                {one.change}: {one.why}
              </span>
            </li>
          ))}
          {data.hasMore && <li className={classes.dim}>and more</li>}
        </ul>
      )}
    </Part>
  );
};

const Outputs = ({ before, after }: Both) => {
  const one = useInfiniteQuery(groupsQuery(before.job_id, before.id));
  const other = useInfiniteQuery(groupsQuery(after.job_id, after.id));
  const problem = one.error ?? other.error;
  const groups = one.data && other.data ? compareGroups(one.data.pages[0]?.items ?? [], other.data.pages[0]?.items ?? []) : [];
  const link = (which: Occurrence, output: string, number: number): ReactNode =>
    number === 0 ? (
      "–"
    ) : (
      <AppLink to={paths.jobRun(which.job_id, which.id, { output })} style={{ textDecoration: "underline" }}>
        {number.toLocaleString("en")}
      </AppLink>
    );
  return (
    <Part title="Outputs">
      {problem && <ProblemAlert problem={problem} />}
      {groups.length === 0 && !problem && <p className={classes.said}>No device of either has ended.</p>}
      {groups.length > 0 && (
        <div className={classes.wide}>
          <table className={classes.table}>
            <caption>How many devices wrote the same</caption>
            <thead>
              <tr>
                <th scope="col">Output</th>
                <th scope="col">Exit</th>
                <th scope="col">Earlier</th>
                <th scope="col">Later</th>
              </tr>
            </thead>
            <tbody>
              {groups.map(({ name, group, before: first, after: second }) => (
                <tr key={name} data-change={first === 0 ? "new" : second === 0 ? "gone" : undefined}>
                  <td>
                    <code className={classes.sample}>{firstLines(group.stderr || group.stdout) || "nothing"}</code>
                  </td>
                  <td>{group.exit_code ?? group.outcome ?? "–"}</td>
                  <td>{link(before, name, first)}</td>
                  <td>{link(after, name, second)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </Part>
  );
};

const firstLines = (text: string): string => terminalLines(text).slice(0, 3).map(textOf).join("\n");

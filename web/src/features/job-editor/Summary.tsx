import { Loader } from "@mantine/core";
import type { ReactNode } from "react";
import type { Preview } from "@/api/job-editor";
import type { ApiProblem, FieldProblem } from "@/api/problem";
import { Icon } from "@/ui/icons";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { fieldInWords } from "./field-words";
import classes from "./job-editor.module.css";
import { reasonInWords } from "./policy-words";
import { goToSection } from "./Section";
import { inOrder, isRefusal, sectionOf } from "./sections";
import { SummaryDates } from "./SummaryDates";

interface SummaryProps {
  preview: Preview | undefined;
  /** What stands against it, as far as it is to be told now. */
  problems: readonly FieldProblem[];
  error: ApiProblem | null;
  isBusy: boolean;
  /** What it is about: known devices, machines that it looks for, or a workflow that says itself on which devices what runs. */
  about?: "devices" | "machines" | "workflow";
  /** The zone of the schedule. */
  zone: string;
}

/** What the job would do if it were saved now, as the Engine says it while one types. */
export const Summary = ({ preview, problems, error, isBusy, about = "devices", zone }: SummaryProps) => (
  <aside className={`wb-panel ${classes.summary}`} aria-label="What it would do">
    <h2 className={classes.title}>
      What it would do
      {isBusy && <Loader size={14} aria-label="Being worked out" />}
    </h2>
    {error && !preview && <ProblemAlert problem={error} />}
    {preview && (
      <>
        <Blockers problems={problems} />
        <Part title="When">
          <p>{preview.schedule_text ?? "Not chosen yet."}</p>
          <SummaryDates instants={preview.instants} zone={zone} />
        </Part>
        {about === "machines" && (
          <Part title="Where">
            <Where addresses={preview.addresses} />
          </Part>
        )}
        {about === "devices" && (
          <Part title="Who, as things stand">
            <Who targets={preview.targets} />
            {preview.waves.length > 0 && <p>Waves: {preview.waves.map((one) => one.toLocaleString("en")).join(", then ")}.</p>}
          </Part>
        )}
        <Part title={WHAT[about]}>
          {preview.steps.length ? (
            <ul className={classes.steps}>
              {preview.steps.map((one) => (
                <li key={one}>{one.replaceAll("`", "")}</li>
              ))}
            </ul>
          ) : (
            <p>{about === "devices" ? "No assembly is chosen yet." : "Nothing that can be said yet."}</p>
          )}
        </Part>
      </>
    )}
  </aside>
);

const WHAT = { devices: "What, on each of them", machines: "What happens there", workflow: "What" };

const Part = ({ title, children }: { title: string; children: ReactNode }) => (
  <div className={classes.part}>
    <h3>{title}</h3>
    {children}
  </div>
);

const Blockers = ({ problems }: { problems: readonly FieldProblem[] }) =>
  problems.length === 0 ? null : (
    <div className={classes.part}>
      <h3>What stands against it</h3>
      <ul className={classes.blockers} aria-live="polite">
        {inOrder(problems).map((one) => (
          <li key={`${one.field} ${one.code} ${one.message}`} data-tone={isRefusal(one) ? "bad" : "warn"}>
            <button type="button" onClick={() => goToSection(sectionOf(one.field))}>
              <Icon name={isRefusal(one) ? "failed" : "warning"} size={13} />
              <span>
                <strong>{fieldInWords(one.field)}</strong> {one.message}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );

/** How many addresses are looked at; null where the scope is not right yet. */
const Where = ({ addresses }: { addresses: number | null }) =>
  addresses === null ? (
    <p>The scope is not right yet.</p>
  ) : (
    <p>
      <strong className={classes.number}>{addresses.toLocaleString("en")}</strong>{" "}
      {addresses === 1 ? "address or name" : "addresses and names"}, each looked at once
    </p>
  );

const Who = ({ targets }: { targets: Preview["targets"] }) => {
  const { devices, online, offline, left_out, lacking, awaiting_user } = targets;
  return (
    <>
      <p>
        <strong className={classes.number}>{devices.toLocaleString("en")}</strong> {devices === 1 ? "device" : "devices"}
        {devices > 0 && `: ${online.toLocaleString("en")} online, ${offline.toLocaleString("en")} offline`}
      </p>
      {awaiting_user > 0 && <p>On {awaiting_user.toLocaleString("en")} of them nobody is signed in now.</p>}
      {Object.keys(left_out).length > 0 && (
        <>
          <p>Left out:</p>
          <ul className={classes.leftOut}>
            {Object.entries(left_out).map(([reason, number]) => (
              <li key={reason}>
                {number.toLocaleString("en")} {reasonInWords(reason)}
              </li>
            ))}
            {Object.entries(lacking).map(([variable, number]) => (
              <li key={variable}>
                {number.toLocaleString("en")} of them have no value of <code>{variable}</code>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
};

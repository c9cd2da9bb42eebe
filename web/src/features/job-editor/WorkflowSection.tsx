import { useQuery } from "@tanstack/react-query";
import { type Assembly, assemblyQuery } from "@/api/job-editor";
import type { FieldProblem } from "@/api/problem";
import { contextInWords } from "@/lib/kinds";
import { paths } from "@/lib/paths";
import { duration } from "@/lib/time";
import { AppLink } from "@/ui/AppLink";
import { Choice, DurationInput } from "./fields";
import type { ComponentDraft } from "./form";
import classes from "./job-editor.module.css";
import { CATCH_UPS, WORKFLOW_OVERLAPS } from "./policy-words";
import { Section } from "./Section";
import { Fault } from "./TargetsSection";
import type { JobForm } from "./use-job-form";

interface WorkflowSectionProps {
  form: JobForm;
  problems: readonly FieldProblem[];
}

type Node = NonNullable<Assembly["workflow"]>["nodes"][number];

const SETS = ["devices_filter", "devices_list", "devices_site"];
const BUSY: Readonly<Record<string, string>> = {
  skip: "While another run of it is open, a launch is skipped.",
  queue_one: "While another run of it is open, one launch waits.",
  allow: "It goes beside other runs of it.",
};

/** What other jobs say themselves and a workflow says for its launches: shown, and changed where the workflow is. */
export const TakenSection = ({ form, problems }: WorkflowSectionProps) => {
  const component = form.draft.components[0];
  return (
    <Section
      id="targets"
      title="From the workflow"
      problems={problems}
      about="On which devices what runs, with whose rights, and how long it may take stands in the workflow, and is changed there."
    >
      {component && <Taken component={component} />}
      <Fault text={form.fault("targets") ?? form.fault("execution_context")} />
    </Section>
  );
};

const Taken = ({ component }: { component: ComponentDraft }) => {
  const { data } = useQuery(assemblyQuery(component.assembly_id, component.revision));
  if (!data?.workflow) return null;
  const { nodes, time_limit_seconds, concurrency } = data.workflow;
  return (
    <>
      <dl className={classes.taken}>
        <dt>Devices</dt>
        <dd>{namesOf(nodes.filter((one) => SETS.includes(one.type))) || "It names none."}</dd>
        <dt>Runs</dt>
        <dd>{nodes.filter(hasContext).map(inWords).join("; ") || "No script and no playbook."}</dd>
        <dt>Limits</dt>
        <dd>
          A run is stopped after {duration(time_limit_seconds)}. {BUSY[concurrency]}
        </dd>
      </dl>
      <AppLink to={paths.assembly(component.assembly_id)} className={classes.open}>
        Open {data.name}
      </AppLink>
    </>
  );
};

const namesOf = (nodes: readonly Node[]): string => nodes.map((one) => one.name || one.id).join(", ");
const hasContext = (node: Node): boolean => typeof node.settings?.["execution_context"] === "string";

const inWords = ({ name, id, settings }: Node): string => {
  const login = settings?.["credential_id"] ? ", with a credential" : settings?.["use_service_account"] ? ", with service accounts" : "";
  return `${name || id} ${contextInWords(String(settings?.["execution_context"]))}${login}`;
};

/** The policies that mean something for a launch. */
export const LaunchSection = ({ form, problems }: WorkflowSectionProps) => {
  const { draft, policies, fault } = form;
  const { overlap, catch_up, catch_up_window_seconds } = draft.policies;
  return (
    <Section id="policies" problems={problems} about="All others belong to the nodes of the workflow.">
      <Choice
        label="When the run before is still going"
        options={WORKFLOW_OVERLAPS}
        value={overlap}
        onChange={(value) => policies({ overlap: value })}
        error={fault("policies.overlap")}
      />
      <div className={classes.pair}>
        <Choice
          label="Times that were missed"
          options={CATCH_UPS}
          value={catch_up}
          onChange={(value) => policies({ catch_up: value })}
          error={fault("policies.catch_up")}
        />
        {catch_up !== "skip" && (
          <DurationInput
            label="Made up for, if not older than"
            description="Older ones are noted as missed and not run."
            placeholder="the Engine's own measure"
            usual={3600}
            value={catch_up_window_seconds ?? null}
            onChange={(seconds) => policies({ catch_up_window_seconds: seconds })}
            error={fault("policies.catch_up_window_seconds")}
          />
        )}
      </div>
    </Section>
  );
};

import { Badge, Select, TagsInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type Assembly, assemblyQuery } from "@/api/job-editor";
import { asProblem } from "@/api/problem";
import { paths } from "@/lib/paths";
import { duration } from "@/lib/time";
import { AppLink } from "@/ui/AppLink";
import { IconAction } from "@/ui/IconAction";
import type { ComponentDraft } from "./form";
import classes from "./job-editor.module.css";
import { Fault } from "./TargetsSection";
import type { JobForm } from "./use-job-form";
import { VariablesForm } from "./VariablesForm";
import { promptable } from "./workflow-form";

interface ComponentCardProps {
  component: ComponentDraft;
  place: number;
  count: number;
  fault: JobForm["fault"];
  onChange: (component: ComponentDraft) => void;
  onMove: (step: number) => void;
  onRemove: () => void;
}

const ROLES = [
  { value: "run", label: "Run it" },
  { value: "check", label: "Check first, then fix" },
];

/** One assembly of the job: what it is, in which revision, in which role, and with which values. */
export const ComponentCard = (props: ComponentCardProps) => {
  const { component, place, count, fault, onChange, onMove, onRemove } = props;
  const latest = useQuery(assemblyQuery(component.assembly_id, "latest"));
  const own = useQuery(assemblyQuery(component.assembly_id, component.revision));
  const name = own.data?.name ?? latest.data?.name ?? "…";
  const path = `components.${place}`;
  return (
    <article className={classes.component} aria-label={`Component ${place + 1}: ${name}`}>
      <header className={classes.componentHead}>
        <span className={classes.place}>{place + 1}</span>
        <AppLink to={paths.assembly(component.assembly_id)} className={classes.strong}>
          {name}
        </AppLink>
        {own.data && (
          <Badge size="xs" variant="default" style={{ flex: "none" }}>
            {own.data.interpreter ?? own.data.kind}
          </Badge>
        )}
        <span className={classes.headActions}>
          <IconAction
            label={`Move ${name} up`}
            icon="up"
            reason={place === 0 ? "It is the first." : null}
            onClick={() => onMove(-1)}
          />
          <IconAction
            label={`Move ${name} down`}
            icon="down"
            reason={place === count - 1 ? "It is the last." : null}
            onClick={() => onMove(1)}
          />
          <IconAction label={`Remove ${name}`} icon="close" onClick={onRemove} />
        </span>
      </header>
      <Fault text={fault(path) ?? fault(`${path}.assembly_id`)} />
      {own.error && !fault(`${path}.assembly_id`) && <Fault text={asProblem(own.error).detail} />}
      <div className={classes.pair}>
        <RevisionSelect component={component} latest={latest.data} onChange={onChange} error={fault(`${path}.revision`)} />
        {component.kind === "script" && (
          <Select
            label="Role"
            description={roleWords(component, place, count)}
            inputWrapperOrder={["label", "input", "description", "error"]}
            data={ROLES}
            value={component.role}
            allowDeselect={false}
            onChange={(role) => onChange({ ...component, role: role === "check" ? "check" : "run" })}
            error={fault(`${path}.role`)}
          />
        )}
      </div>
      {component.role === "check" && (
        <TagsInput
          label="Exit codes that say: something is to be fixed"
          description="Empty: 1. Exit code 0 says that all is well; any other that the check itself failed."
          placeholder={component.not_compliant_exit_codes.length ? undefined : "1"}
          value={component.not_compliant_exit_codes.map(String)}
          onChange={(codes) =>
            onChange({
              ...component,
              not_compliant_exit_codes: codes.map(Number).filter((code) => Number.isInteger(code) && code >= 0),
            })
          }
          error={fault(`${path}.not_compliant_exit_codes`, true)}
        />
      )}
      {own.data && (
        <VariablesForm
          title={component.kind === "workflow" ? "Parameters" : "Variables"}
          declared={component.kind === "workflow" ? promptable(own.data.variables ?? []) : (own.data.variables ?? [])}
          values={component.variables}
          path={`${path}.variables`}
          fault={fault}
          onChange={(variables) => onChange({ ...component, variables })}
        />
      )}
    </article>
  );
};

const roleWords = ({ role }: ComponentDraft, place: number, count: number): string => {
  if (role === "run") return "It runs on every device.";
  return place === count - 1
    ? "It only says whether the device is as it should be."
    : "Where it finds nothing to fix, what follows is not run there, up to the next check. After they ran it looks once more.";
};

interface RevisionSelectProps {
  component: ComponentDraft;
  latest: Assembly | undefined;
  onChange: (component: ComponentDraft) => void;
  error?: string;
}

const MOST_LISTED = 200;

const RevisionSelect = ({ component, latest, onChange, error }: RevisionSelectProps) => {
  const newest = latest?.revision ?? (component.revision === "latest" ? 1 : component.revision);
  const known = Array.from({ length: Math.min(newest, MOST_LISTED) }, (_, at) => String(newest - at));
  const own = String(component.revision);
  const numbers = own === "latest" || known.includes(own) ? known : [own, ...known];
  const limit = latest && !latest.workflow ? ` Ends after ${duration(latest.time_limit_seconds)} at most.` : "";
  return (
    <Select
      label="Revision"
      description={`${component.revision === "latest" ? "Each run takes the newest one." : "It stays as it is, whatever is saved later."}${limit}`}
      inputWrapperOrder={["label", "input", "description", "error"]}
      data={[
        { value: "latest", label: latest ? `Latest (now ${newest})` : "Latest" },
        ...numbers.map((one) => ({ value: one, label: `Always ${one}` })),
      ]}
      value={own}
      allowDeselect={false}
      searchable={newest > 12}
      onChange={(chosen) => onChange({ ...component, revision: chosen === "latest" || !chosen ? "latest" : Number(chosen) })}
      error={error}
    />
  );
};

import { Button } from "@mantine/core";
import { useHotkeys } from "@mantine/hooks";
import { type ReactNode, useRef } from "react";
import type { FieldProblem } from "@/api/problem";
import { Icon } from "@/ui/icons";
import { AssembliesSection } from "./AssembliesSection";
import { BasicsSection } from "./BasicsSection";
import { ContextSection } from "./ContextSection";
import { InstallSection } from "./InstallSection";
import classes from "./job-editor.module.css";
import { PoliciesSection } from "./PoliciesSection";
import { ScheduleSection } from "./ScheduleSection";
import { ScopeSection } from "./ScopeSection";
import { SectionLinks } from "./Section";
import { isRefusal, ONBOARDING_SECTIONS, WORKFLOW_SECTIONS } from "./sections";
import { SignInSection } from "./SignInSection";
import { Summary } from "./Summary";
import { TargetsSection } from "./TargetsSection";
import type { JobForm } from "./use-job-form";
import type { LivePreview } from "./use-preview";
import { LaunchSection, TakenSection } from "./WorkflowSection";
import { launchesWorkflow } from "./workflow-form";

interface JobFormViewProps {
  form: JobForm;
  preview: LivePreview;
  problems: readonly FieldProblem[];
  isNew: boolean;
  /** Why nothing can be changed; null where it can. */
  readOnly: string | null;
  /** How much is changed, in words. */
  standing: string;
  saveLabel: string;
  /** Why there is nothing to save; null where there is. */
  idle: string | null;
  busy: boolean;
  /** Above the form: what is to be known before one edits. */
  notices?: ReactNode;
  /** Below it: what is no part of the job, and is saved elsewhere. */
  below?: ReactNode;
  onSave: () => void;
  /** Back to what is saved; none for a new job. */
  onDiscard?: () => void;
}

/** The sections, the summary beside them, and the bar with the save. */
export const JobFormView = (props: JobFormViewProps) => {
  const { form, preview, problems, isNew, readOnly, notices, onSave } = props;
  const { onboarding } = form.draft;
  const isWorkflow = launchesWorkflow(form.draft);
  const place = useRef<HTMLFormElement>(null);
  // Also while one types; not past a dialog, which has a button of its own.
  useHotkeys([["mod+S", () => !document.querySelector("[role=dialog]") && place.current?.requestSubmit()]], []);
  return (
    <form
      ref={place}
      noValidate
      className={classes.layout}
      onSubmit={(event) => {
        event.preventDefault();
        if (!readOnly && !props.idle && !props.busy) onSave();
      }}
    >
      <div className={classes.main}>
        <SectionLinks problems={problems} sections={onboarding ? ONBOARDING_SECTIONS : isWorkflow ? WORKFLOW_SECTIONS : undefined} />
        {notices}
        <fieldset className={classes.fields} disabled={readOnly !== null}>
          <legend className="wb-only-read">The job</legend>
          <BasicsSection form={form} problems={problems} />
          {onboarding ? (
            <>
              <ScopeSection form={form} onboarding={onboarding} problems={problems} />
              <SignInSection form={form} onboarding={onboarding} problems={problems} />
              <ScheduleSection form={form} problems={problems} isNew={isNew} />
              <InstallSection form={form} onboarding={onboarding} problems={problems} />
            </>
          ) : (
            <>
              <AssembliesSection form={form} problems={problems} />
              {isWorkflow ? (
                <TakenSection form={form} problems={problems} />
              ) : (
                <TargetsSection form={form} problems={problems} />
              )}
              <ScheduleSection form={form} problems={problems} isNew={isNew} />
              {!isWorkflow && <ContextSection form={form} problems={problems} />}
              {isWorkflow ? (
                <LaunchSection form={form} problems={problems} />
              ) : (
                <PoliciesSection form={form} problems={problems} />
              )}
            </>
          )}
        </fieldset>
        {props.below}
        {!readOnly && <SaveBar {...props} />}
      </div>
      <Summary
        preview={preview.data}
        problems={problems}
        error={preview.error}
        isBusy={preview.isBehind}
        about={onboarding ? "machines" : isWorkflow ? "workflow" : "devices"}
        zone={form.draft.schedule.timezone}
      />
    </form>
  );
};

const SaveBar = ({ problems, standing, saveLabel, idle, busy, onDiscard }: JobFormViewProps) => {
  const wrong = problems.filter(isRefusal).length;
  return (
    <div className={`wb-panel ${classes.saveBar}`}>
      <span role="status">
        {standing}
        {wrong > 0 && (
          <span className={classes.mark} data-tone="bad">
            <Icon name="failed" size={13} />
            {wrong === 1 ? "1 thing to mend" : `${wrong} things to mend`}
          </span>
        )}
      </span>
      <span className={classes.saveButtons}>
        {onDiscard && !idle && (
          <Button variant="default" onClick={onDiscard}>
            Discard changes
          </Button>
        )}
        <Button type="submit" loading={busy} disabled={idle !== null} title={idle ?? "Ctrl S"}>
          {saveLabel}
        </Button>
      </span>
    </div>
  );
};

import type { FieldProblem } from "@/api/problem";
import { Choice, CountInput, DurationInput } from "./fields";
import classes from "./job-editor.module.css";
import { CATCH_UPS, latestStartWords, OFFLINES, OVERLAP_SCOPES, OVERLAPS, SPLAY_MODES } from "./policy-words";
import { Section } from "./Section";
import type { JobForm } from "./use-job-form";
import { WavesForm } from "./WavesForm";

/** What happens when things go other than planned. Each says what it means; at first they are the Engine's own. */
export const PoliciesSection = ({ form, problems }: { form: JobForm; problems: readonly FieldProblem[] }) => (
  <Section id="policies" problems={problems} about="As they stand at first they are safe for most jobs.">
    <Late form={form} />
    <Limits form={form} />
    <WavesForm form={form} />
    <Spread form={form} />
  </Section>
);

const Late = ({ form }: { form: JobForm }) => {
  const { draft, policies, duration, fault } = form;
  const { offline, overlap, overlap_scope, catch_up, catch_up_window_seconds } = draft.policies;
  return (
    <>
      <div className={classes.pair}>
        <Choice
          label="Devices that are off"
          options={OFFLINES}
          value={offline}
          onChange={(value) => policies({ offline: value })}
          error={fault("policies.offline")}
        />
        {offline === "wait" && (
          <DurationInput
            label="Waited for at most"
            description={latestStartWords(draft.duration.expires_after_seconds)}
            placeholder="until the next run"
            usual={3600}
            value={draft.duration.expires_after_seconds ?? null}
            onChange={(expires_after_seconds) => duration({ expires_after_seconds })}
            error={fault("duration.expires_after_seconds")}
          />
        )}
      </div>
      <div className={classes.pair}>
        <Choice
          label="When the run before is still going"
          options={OVERLAPS}
          value={overlap}
          onChange={(value) => policies({ overlap: value })}
          error={fault("policies.overlap")}
        />
        {overlap !== "allow" && (
          <Choice
            label="Judged"
            options={OVERLAP_SCOPES}
            value={overlap_scope}
            onChange={(value) => policies({ overlap_scope: value })}
            error={fault("policies.overlap_scope")}
          />
        )}
      </div>
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
    </>
  );
};

const Limits = ({ form }: { form: JobForm }) => {
  const { draft, policies, duration, fault } = form;
  return (
    <div className={classes.triple}>
      <DurationInput
        label="Time limit of a device"
        description="Then what runs on it is stopped: timed out."
        placeholder="the assemblies' own"
        value={draft.duration.time_limit_seconds ?? null}
        onChange={(time_limit_seconds) => duration({ time_limit_seconds })}
        error={fault("duration.time_limit_seconds")}
      />
      <DurationInput
        label="Time limit of the whole run"
        description="Then what runs is stopped, and nothing more starts."
        placeholder="none"
        usual={3600}
        value={draft.duration.run_limit_seconds ?? null}
        onChange={(run_limit_seconds) => duration({ run_limit_seconds })}
        error={fault("duration.run_limit_seconds")}
      />
      <CountInput
        label="Failures that are accepted"
        description={
          draft.policies.failure_threshold_percent
            ? "A run with no more of them than this is no failure."
            : "One device that fails makes the run a failure."
        }
        suffix=" %"
        value={draft.policies.failure_threshold_percent}
        onChange={(number) => policies({ failure_threshold_percent: number ?? 0 })}
        error={fault("policies.failure_threshold_percent")}
      />
    </div>
  );
};

const Spread = ({ form }: { form: JobForm }) => {
  const { draft, policies, fault } = form;
  const { splay_seconds, splay_mode, concurrency, site_concurrency } = draft.policies;
  return (
    <>
      <div className={classes.pair}>
        <CountInput
          label="Most devices at once"
          description="The others wait for a place; who is away takes none."
          placeholder="any number"
          min={1}
          value={concurrency}
          onChange={(value) => policies({ concurrency: value })}
          error={fault("policies.concurrency")}
        />
        <CountInput
          label="… in each site"
          description="So that one site's line is not filled."
          placeholder="any number"
          min={1}
          value={site_concurrency}
          onChange={(value) => policies({ site_concurrency: value })}
          error={fault("policies.site_concurrency")}
        />
      </div>
      <div className={classes.pair}>
        <DurationInput
          label="Spread the starts over"
          description={
            splay_seconds ? "Each device starts with a delay of its own within this time." : "All devices start at once."
          }
          placeholder="not spread"
          value={splay_seconds || null}
          onChange={(seconds) => policies({ splay_seconds: seconds ?? 0 })}
          error={fault("policies.splay_seconds")}
        />
        {splay_seconds > 0 && (
          <Choice
            label="Delays"
            options={SPLAY_MODES}
            value={splay_mode}
            onChange={(value) => policies({ splay_mode: value })}
            error={fault("policies.splay_mode")}
          />
        )}
      </div>
    </>
  );
};

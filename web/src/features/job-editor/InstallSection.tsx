import { TextInput } from "@mantine/core";
import { Choice, CountInput, DurationInput } from "./fields";
import classes from "./job-editor.module.css";
import type { OnboardingDraft } from "./onboarding-form";
import { CATCH_UPS, ONBOARDING_OVERLAPS } from "./policy-words";
import type { OnboardingSectionProps } from "./ScopeSection";
import { Section } from "./Section";

/** Which agent is installed, on how many machines at once, how long each may take, and what if the run before still goes. */
export const InstallSection = ({ form, onboarding, problems }: OnboardingSectionProps) => {
  const { draft, set, policies, duration, fault } = form;
  const put = (patch: Partial<OnboardingDraft>): void => set({ onboarding: { ...onboarding, ...patch } });
  const { overlap, catch_up } = draft.policies;
  return (
    <Section
      id="policies"
      title="Installing"
      problems={problems}
      about="Whatever is installed waits under Device Approvals: nothing becomes a device without a person’s yes."
    >
      <div className={classes.triple}>
        <TextInput
          label="Install branch"
          description="Whose agent is installed: a name under which packages are kept."
          inputWrapperOrder={["label", "input", "description", "error"]}
          withAsterisk
          maxLength={64}
          value={onboarding.install_branch}
          onChange={(event) => put({ install_branch: event.currentTarget.value })}
          error={fault("components.0.install_branch")}
        />
        <CountInput
          label="Machines at once"
          description="The others wait for their turn."
          min={1}
          value={onboarding.concurrency}
          onChange={(concurrency) => put({ concurrency })}
          error={fault("components.0.concurrency")}
        />
        <DurationInput
          label="Time limit of a machine"
          description="Then the work on it ends: failed."
          placeholder="15"
          value={draft.duration.time_limit_seconds ?? null}
          onChange={(time_limit_seconds) => duration({ time_limit_seconds })}
          error={fault("duration.time_limit_seconds")}
        />
      </div>
      <div className={classes.pair}>
        <Choice
          label="When the run before is still going"
          options={ONBOARDING_OVERLAPS}
          value={overlap}
          onChange={(value) => policies({ overlap: value })}
          error={fault("policies.overlap")}
        />
        {draft.schedule.type !== "immediately" && (
          <Choice
            label="Times that were missed"
            options={CATCH_UPS}
            value={catch_up}
            onChange={(value) => policies({ catch_up: value })}
            error={fault("policies.catch_up")}
          />
        )}
      </div>
    </Section>
  );
};

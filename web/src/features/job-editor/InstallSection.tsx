import { Autocomplete } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { branchesQuery } from "@/api/onboarding";
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
  // Who may not read packages has no suggestions, and types the name.
  const { data: branches = [] } = useQuery(branchesQuery());
  const { overlap, catch_up } = draft.policies;
  return (
    <Section
      id="policies"
      title="Installing"
      problems={problems}
      about="Whatever is installed waits under Device Approvals: nothing becomes a device without a person’s yes."
    >
      <div className={classes.triple}>
        <Autocomplete
          label="Install branch"
          description="The line of agents that is installed, such as stable."
          inputWrapperOrder={["label", "input", "description", "error"]}
          withAsterisk
          maxLength={40}
          data={branches}
          value={onboarding.install_branch}
          onChange={(install_branch) => put({ install_branch })}
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

import { Radio, Stack } from "@mantine/core";
import type { FieldProblem } from "@/api/problem";
import { useMay } from "@/api/session";
import { Choice } from "./fields";
import { hasPlaybooks, LOCAL_CONTEXTS, REMOTE_CONTEXTS } from "./form";
import { LoginFields } from "./LoginFields";
import { CONTEXTS, INTERRUPTED, NO_USER_SESSIONS } from "./policy-words";
import { Section } from "./Section";
import type { JobForm } from "./use-job-form";

/** Whose rights the scripts have, or how playbooks reach their devices. Scripts run by the agent: there is no password to give. */
export const ContextSection = ({ form, problems }: { form: JobForm; problems: readonly FieldProblem[] }) => {
  const { draft, set, policies, fault } = form;
  const asSystem = useMay("run_as_system");
  const isRemote = hasPlaybooks(draft);
  const offered = CONTEXTS.filter((one) => (isRemote ? REMOTE_CONTEXTS : LOCAL_CONTEXTS).includes(one.value));
  const about = isRemote
    ? "Playbooks run in the Engine, which reaches the devices."
    : "Scripts run by the agent on the device; they take no credential.";
  return (
    <Section id="context" problems={problems} about={about}>
      <Radio.Group
        aria-labelledby="title-context"
        value={draft.execution_context}
        onChange={(chosen) => {
          const found = offered.find((one) => one.value === chosen);
          if (found) set({ execution_context: found.value });
        }}
        error={fault("execution_context")}
      >
        <Stack gap={8}>
          {offered.map((one) => {
            const reason = one.value === "current_user" ? null : asSystem.reason;
            return (
              <Radio
                key={one.value}
                value={one.value}
                label={one.label}
                description={reason ? `${one.means} ${reason}` : one.means}
                disabled={reason !== null && draft.execution_context !== one.value}
              />
            );
          })}
        </Stack>
      </Radio.Group>
      <LoginFields form={form} />
      {draft.execution_context === "current_user" && (
        <Choice
          label="Where nobody is signed in"
          options={NO_USER_SESSIONS}
          value={draft.policies.no_user_session}
          onChange={(no_user_session) => policies({ no_user_session })}
          error={fault("policies.no_user_session")}
        />
      )}
      {isRemote && (
        <Choice
          label="Where the Engine's worker dies meanwhile"
          options={INTERRUPTED}
          value={draft.policies.interrupted}
          onChange={(interrupted) => policies({ interrupted })}
          error={fault("policies.interrupted")}
        />
      )}
    </Section>
  );
};

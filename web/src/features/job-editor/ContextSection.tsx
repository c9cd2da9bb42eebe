import { Radio, Stack } from "@mantine/core";
import type { FieldProblem } from "@/api/problem";
import { useMay } from "@/api/session";
import { Choice } from "./fields";
import { CONTEXTS, NO_USER_SESSIONS } from "./policy-words";
import { LoginFields } from "./LoginFields";
import { Section } from "./Section";
import type { JobForm } from "./use-job-form";

/** Whose rights the scripts have. Scripts run by the agent: there is no password to give. */
export const ContextSection = ({ form, problems }: { form: JobForm; problems: readonly FieldProblem[] }) => {
  const { draft, set, policies, fault } = form;
  const asSystem = useMay("run_as_system");
  return (
    <Section id="context" problems={problems} about="Scripts run by the agent on the device; they take no credential.">
      <Radio.Group
        aria-labelledby="title-context"
        value={draft.execution_context}
        onChange={(chosen) => set({ execution_context: chosen === "current_user" ? "current_user" : "system" })}
        error={fault("execution_context")}
      >
        <Stack gap={8}>
          {CONTEXTS.map((one) => {
            const reason = one.value === "system" ? asSystem.reason : null;
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
    </Section>
  );
};

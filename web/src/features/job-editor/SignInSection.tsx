import { NumberInput } from "@mantine/core";
import { CredentialList } from "./CredentialList";
import { Choice } from "./fields";
import classes from "./job-editor.module.css";
import type { OnboardingDraft } from "./onboarding-form";
import { PLATFORMS } from "./policy-words";
import type { OnboardingSectionProps } from "./ScopeSection";
import { Section } from "./Section";
import { Fault } from "./TargetsSection";
import { asNumber } from "./use-job-form";

/** How machines are entered: by which way, on which ports, and as whom. */
export const SignInSection = ({ form, onboarding, problems }: OnboardingSectionProps) => {
  const { set, fault } = form;
  const put = (patch: Partial<OnboardingDraft>): void => set({ onboarding: { ...onboarding, ...patch } });
  const { platform } = onboarding;
  const port = (name: "ssh_port" | "winrm_port" | "smb_port", label: string) => (
    <NumberInput
      label={label}
      withAsterisk
      min={1}
      max={65_535}
      clampBehavior="none"
      allowDecimal={false}
      allowNegative={false}
      value={onboarding[name] ?? ""}
      onChange={(given) => put({ [name]: asNumber(given) })}
      error={fault(`components.0.${name}`)}
    />
  );
  return (
    <Section id="context" title="Signing in" problems={problems}>
      <Choice
        label="Platform"
        options={PLATFORMS}
        value={platform}
        onChange={(value) => put({ platform: value })}
        error={fault("components.0.platform")}
      />
      <CredentialList
        platform={platform}
        siteId={onboarding.site_id}
        chosen={onboarding.credential_ids}
        onChange={(credential_ids) => put({ credential_ids })}
        faultAt={(place) => fault(`credential_ids.${place}`)}
      />
      <Fault text={fault("credential_ids")} />
      <div className={classes.triple}>
        {platform !== "windows" && port("ssh_port", "SSH port")}
        {platform !== "linux" && port("winrm_port", "WinRM port")}
        {platform !== "linux" && port("smb_port", "SMB port")}
      </div>
      <p className={classes.about}>A port that a line of the scope names is tried besides these.</p>
    </Section>
  );
};

import type { Approval } from "@/api/approvals";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { Icon } from "@/ui/icons";
import classes from "./approvals.module.css";
import { readableFingerprint } from "./duplicates";

/** Of a machine's key, for comparing with what the machine itself prints. */
export const Fingerprint = ({ approval }: { approval: Approval }) => (
  <span className={classes.fingerprint} title={approval.key_fingerprint}>
    {readableFingerprint(approval.key_fingerprint)}
  </span>
);

export const Odd = ({ sentence }: { sentence: string | null }) =>
  sentence && (
    <span className={classes.odd} data-tone="warn">
      <Icon name="warning" size={13} />
      {sentence}
    </span>
  );

export const systemOf = (one: Approval): string => `${one.os_name} ${one.os_version} · ${one.arch}`;

/** The job that brought a machine, as a way to the row of its address; nothing where a person enrolled it. */
export const BroughtBy = ({ approval: { onboarding } }: { approval: Approval }) =>
  onboarding && (
    <span className={classes.brought}>
      <AppLink to={paths.jobRun(onboarding.job_id, onboarding.occurrence_id, { target: onboarding.target_id })}>
        <Icon name="onboarding" size={13} /> {onboarding.job_name}
      </AppLink>
      {onboarding.address && <small>at {onboarding.address}</small>}
    </span>
  );

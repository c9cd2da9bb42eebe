import { Button, Text } from "@mantine/core";
import { useState } from "react";
import { type Site, useRotateCode } from "@/api/sites";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { CopyText } from "@/ui/CopyText";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { TitledPanel } from "@/ui/TitledPanel";
import classes from "./sites.module.css";

interface EnrolPanelProps {
  site: Site;
  /** Of whom wait for approval here, in words; null where nobody does. */
  waiting: string | null;
  mayDecide: { allowed: boolean; reason: string | null };
}

/** How a machine becomes a device of this site: what to type there, and what happens then. */
export const EnrolPanel = ({ site, waiting, mayDecide }: EnrolPanelProps) => {
  const [isRotating, setIsRotating] = useState(false);
  const rotate = useRotateCode();
  const close = (): void => {
    rotate.reset();
    setIsRotating(false);
  };
  if (!site.enrolment_command)
    return (
      <TitledPanel title="Enrol a single machine">
        The enrolment code is shown to those who decide about new devices. {mayDecide.reason}
      </TitledPanel>
    );
  return (
    <TitledPanel
      title="Enrol a single machine"
      actions={
        <Button variant="default" leftSection={<Icon name="token" size={14} />} onClick={() => setIsRotating(true)}>
          New code…
        </Button>
      }
    >
      <ol className={classes.steps}>
        <li>
          <p>On the Linux machine: this installs the agent as a service, and asks for it to become a device of “{site.name}”:</p>
          <CopyText text={site.install_command ?? site.enrolment_command} label="Copy the command" />
        </li>
        <li>
          <p>
            It waits under <AppLink to={paths.approvals({ site_id: site.id })}>Device Approvals</AppLink>
            {waiting ? <strong> ({waiting})</strong> : ""} until somebody says yes. Compare the fingerprint that it prints.
          </p>
        </li>
      </ol>
      <div className={classes.other}>
        <p>
          Where the agent is installed already it asks by itself, and <code>watchbill-agent service install</code> then has it
          run:
        </p>
        <CopyText text={site.enrolment_command} label="Copy the command for an agent that is there" />
      </div>
      <Text size="xs" c="dimmed" mt="sm">
        The code is that of this site since <Instant at={site.enrolment_code_rotated_at} siteZone={site.timezone} />. Whoever has
        it may ask to come in, as often as they like.
      </Text>
      {isRotating && (
        <ConfirmDialog
          opened
          danger
          title="Give the site a new code"
          confirm="Replace the code"
          busy={rotate.isPending}
          problem={rotate.error}
          onClose={close}
          onConfirm={() => rotate.mutate(site, { onSuccess: close })}
        >
          The present enrolment code of “{site.name}” is worth nothing from then on. Devices that are enrolled stay; machines that
          ask with the old code are refused.
        </ConfirmDialog>
      )}
    </TitledPanel>
  );
};

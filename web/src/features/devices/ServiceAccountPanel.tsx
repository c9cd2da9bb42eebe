import { Button } from "@mantine/core";
import { useState } from "react";
import { can } from "@/api/can";
import type { WholeDevice } from "@/api/devices";
import { type AccountVerb, useChangeAccount } from "@/api/service-accounts";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { FactList } from "@/ui/FactList";
import { Instant } from "@/ui/Instant";
import { StateBadge } from "@/ui/StateBadge";
import { TitledPanel } from "@/ui/TitledPanel";
import classes from "./devices.module.css";

const VERBS: readonly AccountVerb[] = ["create", "rotate", "remove"];

/** The account by which the Engine signs in to the device: whether it is there, and how it is asked for, rotated and removed. */
export const ServiceAccountPanel = ({ device }: { device: WholeDevice }) => {
  const [asked, setAsked] = useState<AccountVerb | null>(null);
  const account = device.service_account;
  return (
    <TitledPanel
      title="Service account"
      actions={VERBS.filter((verb) => account.state !== "none" || verb === "create").map((verb) => (
        <VerbButton key={verb} verb={verb} device={device} onAsk={setAsked} />
      ))}
    >
      {account.state === "none" ? (
        <span className={classes.line}>The Engine has no account on this device.</span>
      ) : (
        <FactList
          facts={[
            { label: "State", value: <StateBadge plain state={account.state} /> },
            { label: "Why", value: account.detail },
            { label: "Name", value: account.username },
            { label: "Asked for by", value: account.requested_by },
            { label: "Asked for", value: <Instant at={account.requested_at} none="–" /> },
            { label: "Told by the device", value: <Instant at={account.told_at} none="not yet" /> },
          ].filter((one) => one.label !== "Why" || one.value !== null)}
        />
      )}
      {asked !== null && <ChangeAccount device={device} verb={asked} onClose={() => setAsked(null)} />}
    </TitledPanel>
  );
};

const WORDS: Readonly<Record<AccountVerb, { title: string; button: string; confirm: string; what: (host: string, name: string) => string }>> = {
  create: {
    title: "Create the service account",
    button: "Create…",
    confirm: "Create account",
    what: (host, name) =>
      `The agent on “${host}” makes the account “${name}” with every right on it (sudo without a password, or administrator). Jobs can sign in with it; nobody else has its key.`,
  },
  rotate: {
    title: "Rotate the service account",
    button: "Rotate…",
    confirm: "Rotate account",
    what: (host, name) => `“${name}” on “${host}” gets a new key. The one before holds until the device has the new one.`,
  },
  remove: {
    title: "Remove the service account",
    button: "Remove…",
    confirm: "Remove account",
    what: (host, name) =>
      `The agent on “${host}” removes “${name}” with its home, its keys and its rule for sudo, and ends what runs as it. Jobs that sign in with it do not reach the device any more.`,
  },
};

interface VerbButtonProps {
  verb: AccountVerb;
  device: WholeDevice;
  onAsk: (verb: AccountVerb) => void;
}

const VerbButton = ({ verb, device, onAsk }: VerbButtonProps) => {
  const { reason } = can(device.service_account, verb);
  return (
    <Button
      variant="subtle"
      color={verb === "remove" ? "red" : undefined}
      disabled={reason !== null}
      title={reason ?? undefined}
      aria-label={`${WORDS[verb].title} of ${device.hostname}`}
      onClick={() => onAsk(verb)}
    >
      {WORDS[verb].button}
    </Button>
  );
};

const ChangeAccount = ({ device, verb, onClose }: { device: WholeDevice; verb: AccountVerb; onClose: () => void }) => {
  const change = useChangeAccount();
  const words = WORDS[verb];
  return (
    <ConfirmDialog
      opened
      danger={verb === "remove"}
      title={words.title}
      confirm={words.confirm}
      busy={change.isPending}
      problem={change.error}
      onClose={onClose}
      onConfirm={() => change.mutate({ device, verb }, { onSuccess: onClose })}
    >
      {words.what(device.hostname, device.service_account.username)}
    </ConfirmDialog>
  );
};

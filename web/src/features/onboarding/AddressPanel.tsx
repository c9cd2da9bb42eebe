import { Button } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import type { Can } from "@/api/can";
import { type Address, addressQuery } from "@/api/onboarding";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { FactList } from "@/ui/FactList";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import { Instant } from "@/ui/Instant";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Reading } from "@/ui/Reading";
import { AddressBadge } from "./AddressBadge";
import { platformOf } from "./address-columns";
import { adviceOf, isAtWork, isUnfinished, nameOf } from "./address-words";
import classes from "./onboarding.module.css";
import { Timeline } from "./Timeline";

export type AddressCommand = "approve" | "deny" | "retry" | "forget";

interface AddressPanelProps {
  targetId: number;
  mayDecide: Can;
  mayRerun: Can;
  onCommand: (command: AddressCommand, one: Address) => void;
  onClose: () => void;
}

const FOLLOW_MILLISECONDS = 2_000;

/** One address: how it stands and why, what can be done about it, and what was done there. */
export const AddressPanel = ({ targetId, onClose, ...rest }: AddressPanelProps) => {
  const found = useQuery({
    ...addressQuery(targetId),
    refetchInterval: ({ state }) => (state.data && isAtWork(state.data) ? FOLLOW_MILLISECONDS : false),
  });
  const one = found.data;
  return (
    <section className={`wb-panel ${classes.panel}`} aria-label="Timeline of the address">
      <div className={classes.head}>
        <h2>{one ? nameOf(one) : "…"}</h2>
        {one && <AddressBadge one={one} />}
        <span className={classes.close}>
          <IconAction label="Close the timeline" icon="close" onClick={onClose} />
        </span>
      </div>
      <div className={classes.body}>
        {found.error && !one && <ProblemAlert problem={found.error} onRetry={() => void found.refetch()} />}
        {!one && !found.error && <Reading what="the timeline" />}
        {one && <Known one={one} {...rest} />}
      </div>
    </section>
  );
};

const Known = ({ one, ...rest }: { one: Address } & Omit<AddressPanelProps, "targetId" | "onClose">) => {
  const advice = adviceOf(one.reason);
  return (
    <>
      {(one.detail || advice) && (
        <div>
          {one.detail && <p className={classes.what}>{one.detail}</p>}
          {advice && <p className={classes.advice}>{advice}</p>}
          {one.snippet && <pre className={classes.snippet}>{one.snippet}</pre>}
        </div>
      )}
      <Actions one={one} {...rest} />
      <h3>What was done</h3>
      <Timeline tasks={one.timeline} />
      <h3>About it</h3>
      <FactList facts={factsOf(one)} />
    </>
  );
};

const Actions = ({ one, mayDecide, mayRerun, onCommand }: { one: Address } & Omit<AddressPanelProps, "targetId" | "onClose">) => {
  const button = (command: AddressCommand, label: string, may: Can, icon?: ReactNode, isPlain = true): ReactNode => (
    <span key={command} title={may.reason ?? undefined}>
      <Button
        variant={isPlain ? "default" : undefined}
        disabled={!may.allowed}
        leftSection={icon}
        onClick={() => onCommand(command, one)}
      >
        {label}
      </Button>
    </span>
  );
  return (
    <div className={classes.actions}>
      {one.state === "waiting_approval" && [
        button("approve", "Approve…", mayDecide, <Icon name="approval" size={14} />, false),
        button("deny", "Deny…", mayDecide, <Icon name="cancelled" size={14} />),
      ]}
      {one.device_id && (
        <Button
          variant="default"
          component={AppLink}
          to={paths.device(one.device_id)}
          leftSection={<Icon name="device" size={14} />}
        >
          Open the device
        </Button>
      )}
      {one.reason === "host_key_changed" &&
        button("forget", "Forget the host key…", mayRerun, <Icon name="credential" size={14} />)}
      {isUnfinished(one) && button("retry", "Retry this address…", mayRerun, <Icon name="again" size={14} />)}
    </div>
  );
};

const factsOf = (one: Address) => [
  { label: "Named by", value: <code>{one.entry}</code> },
  ...(one.names.length ? [{ label: "Names", value: one.names.join(", ") }] : []),
  { label: "Calls itself", value: one.hostname },
  { label: "System", value: platformOf(one) },
  { label: "Signed in with", value: one.credential_name },
  { label: "Host key", value: one.host_key && <span className={classes.fingerprint}>{one.host_key}</span> },
  ...(one.ports.length ? [{ label: "Ports besides", value: one.ports.join(", ") }] : []),
  { label: "Attempt", value: one.attempt || null },
  { label: "Begun", value: <Instant at={one.started_at} none="not yet" /> },
  ...(one.finished_at ? [{ label: "Ended", value: <Instant at={one.finished_at} /> }] : []),
  ...(one.state === "waiting_approval" && one.approval_id
    ? [
        {
          label: "Request",
          value: <AppLink to={paths.approvals({ site_id: one.site_id, q: one.hostname })}>under Device Approvals</AppLink>,
        },
      ]
    : []),
];

import { Button, Group, Modal, Radio, Stack, Text, Textarea } from "@mantine/core";
import { useState } from "react";
import { type Approval, type Decision, type Resolution, useApprove, useDeny } from "@/api/approvals";
import { FactList } from "@/ui/FactList";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { BroughtBy, Fingerprint, systemOf } from "./parts";

interface DecideDialogProps {
  decision: Decision;
  approval: Approval;
  onClose: () => void;
  onDone: () => void;
}

/** Yes or no about one machine, with all that tells it from another one. */
export const DecideDialog = (props: DecideDialogProps) => {
  const { decision, approval, onClose } = props;
  const title = `${decision === "approve" ? "Approve" : "Deny"} ${approval.hostname}`;
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": "Close" }}>
      <Stack gap="sm">
        <FactList
          facts={[
            { label: "Site", value: approval.site_name },
            { label: "Asks from", value: approval.remote_addr },
            { label: "System", value: systemOf(approval) },
            ...(approval.onboarding ? [{ label: "Brought by", value: <BroughtBy approval={approval} /> }] : []),
            { label: "Fingerprint", value: <Fingerprint approval={approval} /> },
          ]}
        />
        {decision === "approve" ? <Yes {...props} /> : <No {...props} />}
      </Stack>
    </Modal>
  );
};

const Yes = ({ approval, onClose, onDone }: DecideDialogProps) => {
  const [resolve, setResolve] = useState<Resolution | null>(approval.conflict === "key" ? "replace" : null);
  const approve = useApprove();
  // A clash may also be found only now; then the Engine asks for the choice.
  const isClash = approval.conflict !== null || approve.error?.code === "approval_conflict";
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        approve.mutate({ approval, resolve: resolve ?? undefined }, { onSuccess: onDone });
      }}
    >
      <Stack gap="sm">
        {isClash ? (
          <Radio.Group
            label={
              approval.conflict === "key"
                ? "Its key is, or was, the key of a known device. What of that one?"
                : `“${approval.site_name}” already has a device of this name. What of that one?`
            }
            value={resolve}
            onChange={(value) => setResolve(value === "new" ? "new" : "replace")}
          >
            <Stack gap={8} mt={6}>
              <Radio
                value="replace"
                label="This one replaces it"
                description="The known device is revoked: its key is worth nothing any more, and what waits for it is left out."
              />
              <Radio value="new" label="Both are there" description="The known device stays as it is; this is another one." />
            </Stack>
          </Radio.Group>
        ) : (
          <Text size="sm">
            {approval.onboarding
              ? "The agent was installed there by the Engine itself, which asked with a code for this machine alone."
              : "Compare the fingerprint with what the machine prints."}{" "}
            Once approved, jobs for “{approval.site_name}” run there.
          </Text>
        )}
        <ProblemAlert problem={approve.error} />
        <Buttons
          label={`Approve ${approval.hostname}`}
          busy={approve.isPending}
          blocked={isClash && resolve === null ? "Choose what becomes of the known device first." : null}
          onClose={onClose}
        />
      </Stack>
    </form>
  );
};

const No = ({ approval, onClose, onDone }: DecideDialogProps) => {
  const [reason, setReason] = useState("");
  const deny = useDeny();
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        deny.mutate({ approval, reason: reason.trim() || undefined }, { onSuccess: onDone });
      }}
    >
      <Stack gap="sm">
        <Textarea
          label="Why"
          description="Told to whoever sits at the machine."
          autosize
          minRows={2}
          maxLength={1000}
          value={reason}
          onChange={(event) => setReason(event.currentTarget.value)}
          data-autofocus
        />
        <ProblemAlert problem={deny.error} />
        <Buttons danger label={`Deny ${approval.hostname}`} busy={deny.isPending} blocked={null} onClose={onClose} />
      </Stack>
    </form>
  );
};

interface ButtonsProps {
  label: string;
  danger?: boolean;
  busy: boolean;
  blocked: string | null;
  onClose: () => void;
}

export const Buttons = ({ label, danger, busy, blocked, onClose }: ButtonsProps) => (
  <Group justify="flex-end" gap="xs">
    <Button variant="default" onClick={onClose}>
      Cancel
    </Button>
    <Button
      type="submit"
      color={danger ? "red" : undefined}
      loading={busy}
      disabled={blocked !== null}
      title={blocked ?? undefined}
      data-autofocus={danger ? undefined : true}
    >
      {label}
    </Button>
  </Group>
);

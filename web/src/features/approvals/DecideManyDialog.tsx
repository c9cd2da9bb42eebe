import { Modal, Stack, Text, Textarea } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";
import { type Approval, type Decided, type Decision, useDecideMany } from "@/api/approvals";
import { ProblemAlert } from "@/ui/ProblemAlert";
import classes from "./approvals.module.css";
import { Buttons } from "./DecideDialog";
import { approvable } from "./duplicates";

interface DecideManyDialogProps {
  decision: Decision;
  chosen: readonly Approval[];
  onClose: () => void;
  onDone: () => void;
}

export const machines = (count: number): string => `${count.toLocaleString("en")} ${count === 1 ? "machine" : "machines"}`;

/** One decision about many machines, each by its name. Those that clash with known devices are approved one by one. */
export const DecideManyDialog = ({ decision, chosen, onClose, onDone }: DecideManyDialogProps) => {
  const [reason, setReason] = useState("");
  const [failed, setFailed] = useState<readonly Decided[]>([]);
  const decide = useDecideMany();
  const isYes = decision === "approve";
  const { plain, clashing } = isYes ? approvable(chosen) : { plain: [...chosen], clashing: [] };
  const verb = isYes ? "Approve" : "Deny";
  const settle = (items: readonly Decided[]): void => {
    const well = items.filter((one) => one.code === null);
    const not = items.filter((one) => one.code !== null);
    if (well.length) notifications.show({ message: said(isYes, well), color: "teal" });
    setFailed(not);
    if (not.length === 0) onDone();
  };
  const submit = (): void =>
    decide.mutate(
      { ids: plain.map((one) => one.id), decision, reason: reason.trim() || undefined },
      { onSuccess: (reply) => settle(reply.items) },
    );
  return (
    <Modal opened onClose={onClose} title={`${verb} ${machines(chosen.length)}`} closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <Stack gap="sm">
          {plain.length > 0 && (
            <div>
              <Text size="sm" fw={600}>
                This will {verb.toLowerCase()} {machines(plain.length)}:
              </Text>
              <Names of={plain} />
            </div>
          )}
          {clashing.length > 0 && (
            <div>
              <Text size="sm" fw={600}>
                Left out, as each clashes with a known device and needs a word of its own:
              </Text>
              <Names of={clashing} />
            </div>
          )}
          {!isYes && (
            <Textarea
              label="Why"
              description="Told to whoever sits at the machines."
              autosize
              minRows={2}
              maxLength={1000}
              value={reason}
              onChange={(event) => setReason(event.currentTarget.value)}
            />
          )}
          {failed.length > 0 && (
            <ProblemAlert
              problem={{
                title: `${machines(failed.length)} not decided`,
                detail: "The others are.",
                errors: failed.map((one) => ({ field: nameOf(one, chosen), message: one.detail ?? one.code ?? "" })),
              }}
            />
          )}
          <ProblemAlert problem={decide.error} />
          <Buttons
            danger={!isYes}
            label={`${verb} ${machines(plain.length)}`}
            busy={decide.isPending}
            blocked={plain.length === 0 ? "Each of these needs a word of its own." : null}
            onClose={onClose}
          />
        </Stack>
      </form>
    </Modal>
  );
};

const Names = ({ of }: { of: readonly Approval[] }) => (
  <ul className={classes.names}>
    {of.map((one) => (
      <li key={one.id}>
        {one.hostname} <small>· {one.site_name}</small>
      </li>
    ))}
  </ul>
);

const nameOf = (one: Decided, chosen: readonly Approval[]): string =>
  chosen.find((other) => other.id === one.id)?.hostname ?? one.id;

const said = (isYes: boolean, well: readonly Decided[]): string => {
  const only = well.length === 1 ? well[0]?.approval?.hostname : undefined;
  const who = only ? `“${only}”` : machines(well.length);
  return `${who} ${isYes ? "approved" : "denied"}.`;
};

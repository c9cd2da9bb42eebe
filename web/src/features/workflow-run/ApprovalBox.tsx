import { Button, Group, Textarea } from "@mantine/core";
import { useState } from "react";
import { type ApprovalWord, useDecideNode } from "@/api/workflow-runs";
import type { Can } from "@/api/can";
import { Icon } from "@/ui/icons";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { TimeLeft } from "./TimeLeft";
import classes from "./workflow-run.module.css";

/** Where the Engine gives no reason of its own. */
export const REFUSED = "It is for operators who may run jobs at every site of the run.";

interface ApprovalBoxProps {
  runId: number;
  nodeId: string;
  name: string;
  message: string | null;
  deadline: string | null;
  may: Can;
}

/** A person's yes or no, where the workflow waits for it. */
export const ApprovalBox = ({ runId, nodeId, name, message, deadline, may }: ApprovalBoxProps) => {
  const [comment, setComment] = useState("");
  const decide = useDecideNode();
  const send = (decision: ApprovalWord): void => decide.mutate({ runId, nodeId, decision, comment: comment.trim() });
  const chosen = decide.isPending ? decide.variables.decision : null;
  return (
    <section className={classes.approval} aria-label={`Approval: ${name}`}>
      <p className={classes.ask}>
        <Icon name="approval" size={16} />{" "}
        <strong>{may.allowed ? "The workflow waits for your decision." : "The workflow waits for a decision."}</strong>
      </p>
      {message && <p className={classes.message}>{message}</p>}
      {deadline && (
        <p className={classes.note}>
          <TimeLeft until={deadline} over="Its time is over" />; undecided by then, it counts as not approved.
        </p>
      )}
      {may.allowed ? (
        <>
          <Textarea
            label="Comment"
            size="xs"
            autosize
            minRows={2}
            maxRows={6}
            maxLength={1000}
            value={comment}
            onChange={(event) => setComment(event.currentTarget.value)}
          />
          <ProblemAlert problem={decide.error} />
          <Group gap="xs">
            <Button
              leftSection={<Icon name="success" size={14} />}
              loading={chosen === "approve"}
              disabled={decide.isPending}
              onClick={() => send("approve")}
            >
              Approve
            </Button>
            <Button
              variant="default"
              c="var(--wb-bad)"
              leftSection={<Icon name="cancelled" size={14} />}
              loading={chosen === "deny"}
              disabled={decide.isPending}
              onClick={() => send("deny")}
            >
              Deny
            </Button>
          </Group>
        </>
      ) : (
        <p className={classes.note}>{may.reason}</p>
      )}
    </section>
  );
};

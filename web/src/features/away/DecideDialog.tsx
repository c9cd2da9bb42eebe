import { List, Text } from "@mantine/core";
import { type JobAway, type OutageTotals, useDecide } from "@/api/ledger";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { type Action, ACTIONS, hitBy, hitInWords } from "./outage-words";

export interface Asked {
  action: Action;
  /** Which jobs; `all` that the caller sees. */
  jobs: readonly JobAway[] | "all";
}

const MOST_NAMES = 8;

/** Asks before held occurrences are let go or skipped, with how many that are. */
export const DecideDialog = ({
  asked,
  outageId,
  totals,
  onClose,
  onDone,
}: {
  asked: Asked;
  outageId: number;
  totals: OutageTotals;
  onClose: () => void;
  onDone: () => void;
}) => {
  const decide = useDecide();
  const { action, jobs } = asked;
  const words = ACTIONS[action];
  const hit = hitBy(jobs, totals);
  const named = jobs === "all" ? [] : jobs.filter((one) => one.held > 0);
  return (
    <ConfirmDialog
      opened
      title={words.label.replace("…", "")}
      confirm={`${words.verb} ${hitInWords({ ...hit, jobs: null })}`}
      danger={action === "skip"}
      reason={{ label: "Why" }}
      busy={decide.isPending}
      problem={decide.error}
      blocked={hit.held === 0 ? "Nothing is held." : null}
      onClose={onClose}
      onConfirm={(reason) =>
        decide.mutate(
          {
            outageId,
            body: { action, jobs: jobs === "all" ? "all" : named.map((one) => one.job_id), reason: reason || undefined },
          },
          {
            onSuccess: () => {
              onDone();
              onClose();
            },
          },
        )
      }
    >
      <Text size="sm" fw={600}>
        {hitInWords(hit)}. {words.says}
      </Text>
      {named.length > 0 && (
        <List size="sm" mt={4}>
          {named.slice(0, MOST_NAMES).map((one) => (
            <List.Item key={one.job_id}>
              {one.name}: {one.held.toLocaleString("en")}
            </List.Item>
          ))}
          {named.length > MOST_NAMES && <List.Item>and {(named.length - MOST_NAMES).toLocaleString("en")} more jobs</List.Item>}
        </List>
      )}
    </ConfirmDialog>
  );
};

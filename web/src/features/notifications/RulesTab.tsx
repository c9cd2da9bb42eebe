import { Button } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { type Rule, rulesQuery, useArchiveRule } from "@/api/notifications";
import { useMay } from "@/api/session";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { DataTable } from "@/ui/DataTable";
import { EmptyState } from "@/ui/EmptyState";
import { IconAction } from "@/ui/IconAction";
import { Icon } from "@/ui/icons";
import { ruleColumns } from "./notification-columns";
import { eventsInWords } from "./notification-words";
import { RuleDialog } from "./RuleDialog";

interface RulesTabProps {
  siteName: (id: number) => string;
  jobName: (id: number) => ReactNode;
  jobPicker: (value: number | null, error: string | undefined, onChange: (jobId: number | null) => void) => ReactNode;
}

/** What is told of which jobs, to which channels. */
export const RulesTab = ({ siteName, jobName, jobPicker }: RulesTabProps) => {
  const rules = useInfiniteQuery(rulesQuery());
  const { allowed, reason } = useMay("notifications:write");
  const [opened, setOpened] = useState<Rule | "new" | null>(null);
  const [toArchive, setToArchive] = useState<Rule | null>(null);
  const archive = useArchiveRule();
  const add = allowed && (
    <Button leftSection={<Icon name="add" size={14} />} onClick={() => setOpened("new")}>
      New Rule
    </Button>
  );
  return (
    <>
      {add && <div style={{ marginBottom: "0.6rem" }}>{add}</div>}
      <DataTable
        label="Rules"
        query={rules}
        columns={ruleColumns(siteName, jobName)}
        rowId={(one) => String(one.id)}
        rowName={eventsInWords}
        empty={
          <EmptyState icon="notification" title="There is no rule yet." action={add}>
            A rule says which events of which jobs are told on which channels. {allowed ? "Make the first one." : reason}
          </EmptyState>
        }
        onOpen={allowed ? setOpened : undefined}
        actions={(one) => (
          <>
            <IconAction
              label={`Edit the rule: ${eventsInWords(one)}`}
              icon="edit"
              reason={reason}
              onClick={() => setOpened(one)}
            />
            <IconAction
              label={`Archive the rule: ${eventsInWords(one)}`}
              icon="delete"
              reason={reason}
              onClick={() => setToArchive(one)}
            />
          </>
        )}
      />
      {opened && <RuleDialog before={opened === "new" ? null : opened} jobPicker={jobPicker} onClose={() => setOpened(null)} />}
      {toArchive && (
        <ConfirmDialog
          opened
          danger
          title="Archive the rule"
          confirm="Archive rule"
          busy={archive.isPending}
          problem={archive.error}
          onClose={() => setToArchive(null)}
          onConfirm={() => archive.mutate(toArchive, { onSuccess: () => setToArchive(null) })}
        >
          “{eventsInWords(toArchive)}” is told no more by this rule. What it has told stays.
        </ConfirmDialog>
      )}
    </>
  );
};

import { Button, Menu, Text } from "@mantine/core";
import { useState } from "react";
import type { Can } from "@/api/can";
import { type LookAgain, useLookAgain } from "@/api/onboarding";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { Icon } from "@/ui/icons";

interface LookAgainMenuProps {
  job: { id: number; name: string };
  occurrenceId: string;
  unfinished: number;
  /** Ids of the rows that are chosen. */
  selected: ReadonlySet<string>;
  may: Can;
  onStarted: () => void;
}

export interface Asked {
  targets: LookAgain["targets"];
  words: string;
  button: string;
}

const UNFINISHED = "not reached, not let in, not supported, failed, stopped or not decided about in time";

/** Another go: at what is unfinished, at what is chosen, or at the whole scope as it is saved now. */
export const LookAgainMenu = ({ job, occurrenceId, unfinished, selected, may, onStarted }: LookAgainMenuProps) => {
  const [asked, setAsked] = useState<Asked | null>(null);
  const many = (count: number): string => `${count.toLocaleString("en")} ${count === 1 ? "address" : "addresses"}`;
  const off = may.reason ?? (unfinished === 0 ? "Nothing is unfinished." : null);
  const retry = (): void =>
    setAsked({
      targets: "unfinished",
      words: `at the ${many(unfinished)} that ended ${UNFINISHED}. What is done with is left alone.`,
      button: `Retry ${many(unfinished)}`,
    });
  return (
    <>
      <span title={off ?? undefined}>
        <Button variant="default" disabled={off !== null} leftSection={<Icon name="again" size={14} />} onClick={retry}>
          Retry unfinished ({unfinished.toLocaleString("en")})
        </Button>
      </span>
      <Menu>
        <span title={may.reason ?? undefined}>
          <Menu.Target>
            <Button variant="default" disabled={!may.allowed} rightSection={<Icon name="down" size={14} />}>
              Look again
            </Button>
          </Menu.Target>
        </span>
        <Menu.Dropdown>
          <Menu.Item
            onClick={() =>
              setAsked({
                targets: "all",
                words:
                  "at every address of the scope as it is saved now. Machines that are managed already, or wait for approval, are left alone.",
                button: "Look at everything",
              })
            }
          >
            Look at everything again…
          </Menu.Item>
          <Menu.Item
            disabled={selected.size === 0}
            rightSection={<Text size="xs">{selected.size.toLocaleString("en")}</Text>}
            onClick={() =>
              setAsked({
                targets: { target_ids: [...selected].map(Number) },
                words: `at the ${many(selected.size)} that ${selected.size === 1 ? "is" : "are"} selected.`,
                button: `Retry ${many(selected.size)}`,
              })
            }
          >
            Retry the selected…
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {asked && (
        <LookAgainDialog
          job={job}
          occurrenceId={occurrenceId}
          asked={asked}
          onClose={() => setAsked(null)}
          onStarted={() => {
            setAsked(null);
            onStarted();
          }}
        />
      )}
    </>
  );
};

interface LookAgainDialogProps {
  job: { id: number; name: string };
  occurrenceId: string;
  asked: Asked;
  onClose: () => void;
  onStarted: () => void;
}

export const LookAgainDialog = ({ job, occurrenceId, asked, onClose, onStarted }: LookAgainDialogProps) => {
  const again = useLookAgain(onStarted);
  return (
    <ConfirmDialog
      opened
      title="Look again"
      confirm={asked.button}
      busy={again.isPending}
      problem={again.error}
      onClose={onClose}
      onConfirm={() => again.mutate({ jobId: job.id, jobName: job.name, occurrenceId, targets: asked.targets })}
    >
      “{job.name}” looks now {asked.words} Its schedule does not move.
    </ConfirmDialog>
  );
};

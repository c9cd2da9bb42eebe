import { Button, Menu, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import type { Can } from "@/api/can";
import { rerunCountsQuery, type RerunWord, useRerun } from "@/api/runs";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { Icon } from "@/ui/icons";
import type { Selected } from "./RunTable";

interface RetargetMenuProps {
  job: { id: number; name: string };
  occurrenceId: string;
  /** How many devices the occurrence has. */
  total: number;
  selected: Selected;
  may: Can;
  onStarted: (occurrenceId: string) => void;
}

const CHOICES: readonly (readonly [RerunWord, string, string])[] = [
  ["failed", "Failed", "that failed, timed out or were lost"],
  ["unreachable", "Unreachable", "that stayed offline"],
  ["never_started", "Never started", "that ended without having begun"],
  ["still_waiting", "Still waiting", "that wait still, and wait in the new run from then on"],
];

interface Asked {
  targets: RerunWord | { device_ids: string[] };
  number: number;
  words: string;
}

const NAMED = 5;

/** Run it again on some of its devices: each choice with its number, and that number is what is committed to. */
export const RetargetMenu = ({ job, occurrenceId, total, selected, may, onStarted }: RetargetMenuProps) => {
  const [isOpen, setIsOpen] = useState(false);
  const [asked, setAsked] = useState<Asked | null>(null);
  const counts = useQuery({ ...rerunCountsQuery(job.id, occurrenceId), enabled: isOpen || asked !== null });
  const rerun = useRerun((started) => {
    setAsked(null);
    onStarted(started);
  });
  const names = [...selected.values()];
  const named = `${names.slice(0, NAMED).join(", ")}${names.length > NAMED ? ` and ${names.length - NAMED} more` : ""}`;
  const close = (): void => {
    rerun.reset();
    setAsked(null);
    void counts.refetch();
  };
  return (
    <>
      <Menu opened={isOpen} onChange={setIsOpen}>
        <span title={may.reason ?? undefined}>
          <Menu.Target>
            <Button
              variant="default"
              disabled={!may.allowed || total === 0}
              leftSection={<Icon name="again" size={14} />}
              rightSection={<Icon name="down" size={14} />}
            >
              Run again on
            </Button>
          </Menu.Target>
        </span>
        <Menu.Dropdown>
          {CHOICES.map(([word, label, words]) => {
            const number = counts.data?.[word];
            return (
              <Menu.Item
                key={word}
                disabled={!number}
                rightSection={<Text size="xs">{number?.toLocaleString("en") ?? "…"}</Text>}
                onClick={() => setAsked({ targets: word, number: number ?? 0, words })}
              >
                {label}
              </Menu.Item>
            );
          })}
          <Menu.Divider />
          <Menu.Item
            disabled={selected.size === 0}
            rightSection={<Text size="xs">{selected.size.toLocaleString("en")}</Text>}
            onClick={() =>
              setAsked({
                targets: { device_ids: [...selected.keys()] },
                number: selected.size,
                words: `that are selected: ${named}`,
              })
            }
          >
            Selected
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {asked && (
        <ConfirmDialog
          opened
          title="Run again"
          confirm={`Run on ${asked.number.toLocaleString("en")} ${asked.number === 1 ? "device" : "devices"}`}
          busy={rerun.isPending}
          problem={rerun.error}
          onClose={close}
          onConfirm={() =>
            rerun.mutate({ jobId: job.id, jobName: job.name, occurrenceId, targets: asked.targets, expected: asked.number })
          }
        >
          “{job.name}” runs now on the {asked.number === 1 ? "one device" : `${asked.number.toLocaleString("en")} devices`}{" "}
          {asked.words}. The job runs as it is saved now; its schedule does not move.
        </ConfirmDialog>
      )}
    </>
  );
};

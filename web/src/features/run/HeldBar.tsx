import { Button, Group } from "@mantine/core";
import { useState } from "react";
import type { Can } from "@/api/can";
import { type Occurrence, useDecide } from "@/api/runs";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { Icon } from "@/ui/icons";

interface HeldBarProps {
  job: { id: number; name: string };
  one: Occurrence;
  release: Can;
  skip: Can;
}

/** What a person can say about an occurrence that waits for one. */
export const HeldBar = ({ job, one, release, skip }: HeldBarProps) => {
  const [asked, setAsked] = useState<"release" | "skip" | null>(null);
  const releases = useDecide("release");
  const skips = useDecide("skip");
  const decide = asked === "release" ? releases : skips;
  const isWindow = one.reason === "held_by_window";
  const close = (): void => {
    decide.reset();
    setAsked(null);
  };
  return (
    <Group gap="xs">
      <span title={release.reason ?? undefined}>
        <Button disabled={!release.allowed} leftSection={<Icon name="run" size={14} />} onClick={() => setAsked("release")}>
          Let it run…
        </Button>
      </span>
      <span title={skip.reason ?? undefined}>
        <Button variant="default" disabled={!skip.allowed} onClick={() => setAsked("skip")}>
          Skip it…
        </Button>
      </span>
      {asked && (
        <ConfirmDialog
          opened
          title={asked === "release" ? "Let it run" : "Skip this run"}
          confirm={asked === "release" ? "Run it now" : "Skip it"}
          danger={asked === "skip"}
          reason={{ label: "Why", required: asked === "release" && isWindow }}
          busy={decide.isPending}
          problem={decide.error}
          onClose={close}
          onConfirm={(reason) =>
            decide.mutate(
              { jobId: job.id, jobName: job.name, occurrenceId: one.id, reason: reason || undefined },
              { onSuccess: close },
            )
          }
        >
          {asked === "release"
            ? `This run of “${job.name}” starts now${isWindow ? ", although a window is closed" : ""}.`
            : `This run of “${job.name}” does not happen.`}
        </ConfirmDialog>
      )}
    </Group>
  );
};

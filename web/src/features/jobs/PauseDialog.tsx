import { Button, Group, Modal, Radio, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { type ReactNode, useState } from "react";
import { browserZone, toInstant, toLocalInput } from "@/lib/time";
import { ProblemAlert } from "@/ui/ProblemAlert";

export interface Pause {
  reason?: string;
  until?: string;
}

interface PauseDialogProps {
  title: string;
  /** Which jobs are hit. */
  children: ReactNode;
  busy: boolean;
  problem?: Parameters<typeof ProblemAlert>[0]["problem"];
  blocked?: string | null;
  onPause: (pause: Pause) => void;
  onClose: () => void;
}

const HOUR = 3_600_000;

/** Until when, and why: for those who come after you. */
export const PauseDialog = ({ title, children, busy, problem, blocked, onPause, onClose }: PauseDialogProps) => {
  const [ends, setEnds] = useState<"never" | "at">("never");
  const [until, setUntil] = useState(() => toLocalInput(new Date(Date.now() + 24 * HOUR)));
  const [reason, setReason] = useState("");
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (blocked) return;
          onPause({ reason: reason.trim() || undefined, until: ends === "at" ? (toInstant(until) ?? undefined) : undefined });
        }}
      >
        <Stack gap="sm">
          <div>{children}</div>
          <Radio.Group label="It goes on" value={ends} onChange={(value) => setEnds(value === "at" ? "at" : "never")}>
            <Stack gap={6} mt={4}>
              <Radio size="sm" value="never" label="when somebody resumes it" />
              <Radio size="sm" value="at" label="by itself, at a time" />
            </Stack>
          </Radio.Group>
          {ends === "at" && (
            <TextInput
              type="datetime-local"
              label={`Until (${browserZone()})`}
              required
              value={until}
              onChange={(event) => setUntil(event.currentTarget.value)}
            />
          )}
          <Textarea
            label="Why"
            description="Shown to whoever asks why it does not run."
            autosize
            minRows={2}
            maxLength={500}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
            data-autofocus
          />
          <Text size="xs" c="dimmed">
            What runs now goes on. Instants that pass meanwhile do not count as missed.
          </Text>
          <ProblemAlert problem={problem} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={busy} disabled={Boolean(blocked)} title={blocked ?? undefined}>
              Pause
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

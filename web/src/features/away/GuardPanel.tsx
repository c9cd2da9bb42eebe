import { Button, Group, Modal, NumberInput, Stack, Switch, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Guard, guardQuery, useSaveGuard } from "@/api/ledger";
import { useMay } from "@/api/session";
import { refusedAt, refusedElsewhere } from "@/lib/refusals";
import { duration } from "@/lib/time";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { StateBadge } from "@/ui/StateBadge";

const inWords = (guard: Guard): string => {
  if (!guard.enabled) return "Off: after an absence each job catches up at once, as its policy says.";
  const when = `After ${duration(guard.after_seconds)} away with ${guard.least_jobs.toLocaleString("en")} jobs or more late`;
  const how = guard.trickle_per_minute
    ? `let go ${guard.trickle_per_minute.toLocaleString("en")} a minute`
    : "until a person decides";
  return `${when}, what was late is held, ${how}.`;
};

/** The storm guard in a sentence, and its settings for those who may change them. */
export const GuardPanel = () => {
  const guard = useQuery(guardQuery()).data;
  const { reason } = useMay("services:write");
  const [isOpen, setOpen] = useState(false);
  if (!guard) return null;
  return (
    <Group gap="xs" wrap="wrap" mb="xs" px="sm" py={6} className="wb-panel">
      <strong>Storm guard</strong>
      <StateBadge state={guard.outage_id === null ? "guard_down" : "guard_up"} />
      <Text size="sm" c="dimmed" style={{ flex: "1 1 16rem" }}>
        {inWords(guard)}
      </Text>
      <Button
        variant="default"
        data-disabled={reason ? true : undefined}
        aria-disabled={reason ? true : undefined}
        aria-description={reason ?? undefined}
        title={reason ?? undefined}
        onClick={() => !reason && setOpen(true)}
      >
        Settings…
      </Button>
      {isOpen && <GuardDialog guard={guard} onClose={() => setOpen(false)} />}
    </Group>
  );
};

const FIELDS = ["enabled", "after_seconds", "least_jobs", "trickle_per_minute"];

const GuardDialog = ({ guard, onClose }: { guard: Guard; onClose: () => void }) => {
  const save = useSaveGuard();
  const [enabled, setEnabled] = useState(guard.enabled);
  const [minutes, setMinutes] = useState<number | string>(guard.after_seconds / 60);
  const [jobs, setJobs] = useState<number | string>(guard.least_jobs);
  const [trickle, setTrickle] = useState<number | string>(guard.trickle_per_minute ?? "");
  const said = refusedAt(save.error);
  return (
    <Modal opened onClose={onClose} title="Storm guard" closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          save.mutate(
            {
              enabled,
              after_seconds: Math.round(Number(minutes) * 60),
              least_jobs: Number(jobs),
              trickle_per_minute: trickle === "" ? null : Number(trickle),
            },
            { onSuccess: onClose },
          );
        }}
      >
        <Stack gap="sm">
          <Text size="sm" c="dimmed">
            It keeps an Engine that was away from starting everything at once that it is late with.
          </Text>
          <Switch
            label="Hold what is late after an absence"
            checked={enabled}
            onChange={(event) => setEnabled(event.currentTarget.checked)}
          />
          <NumberInput
            label="After an absence of (minutes)"
            min={2}
            max={10_080}
            required
            value={minutes}
            onChange={setMinutes}
            error={said("after_seconds")}
          />
          <NumberInput
            label="When so many jobs are late"
            min={1}
            max={100_000}
            required
            value={jobs}
            onChange={setJobs}
            error={said("least_jobs")}
          />
          <NumberInput
            label="Let go by itself (a minute)"
            description="Empty: none, a person decides."
            min={1}
            max={6_000}
            value={trickle}
            onChange={setTrickle}
            error={said("trickle_per_minute")}
          />
          <ProblemAlert problem={refusedElsewhere(save.error, FIELDS)} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending}>
              Save
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

import {
  Button,
  Checkbox,
  Group,
  Modal,
  MultiSelect,
  NumberInput,
  SegmentedControl,
  Select,
  Stack,
  Switch,
  Text,
} from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import {
  channelChoicesQuery,
  type NotificationEvent,
  type Rule,
  type RuleBody,
  type RuleOf,
  useSaveRule,
} from "@/api/notifications";
import { useSites } from "@/api/sites";
import { refusedAt, refusedElsewhere } from "@/lib/refusals";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { EVENTS } from "./notification-words";

const FRESH: RuleBody = {
  events: ["first_failure", "recovered", "missed"],
  urgent_events: [],
  channel_ids: [],
  not_started_minutes: 15,
  failures_in_a_row: 3,
  slower_factor: 2,
  replaces_general: false,
  enabled: true,
};

const bodyOf = (rule: Rule): RuleBody => ({
  events: rule.events,
  urgent_events: rule.urgent_events,
  channel_ids: rule.channels.flatMap((one) => one.id ?? []),
  not_started_minutes: rule.not_started_minutes,
  failures_in_a_row: rule.failures_in_a_row,
  slower_factor: rule.slower_factor,
  replaces_general: rule.replaces_general,
  enabled: rule.enabled,
});

interface RuleDialogProps {
  before: Rule | null;
  /** How to choose a job. */
  jobPicker: (value: number | null, error: string | undefined, onChange: (jobId: number | null) => void) => ReactNode;
  onClose: () => void;
}

const SHOWN = ["events", "urgent_events", "channel_ids", "not_started_minutes", "failures_in_a_row", "slower_factor", "site_id"];

/** Which events of which jobs are told on which channels. */
export const RuleDialog = ({ before, jobPicker, onClose }: RuleDialogProps) => {
  const [value, setValue] = useState<RuleBody>(() => (before ? bodyOf(before) : FRESH));
  const [about, setAbout] = useState<"job" | "site" | "all">("job");
  const [of, setOf] = useState<RuleOf>({ job_id: null, site_id: null });
  const channels = useQuery(channelChoicesQuery()).data ?? [];
  const sites = useSites();
  const save = useSaveRule(before);
  const said = refusedAt(save.error);
  const set = (patch: Partial<RuleBody>): void => setValue({ ...value, ...patch });
  const isOfJob = before ? before.job_id !== null : about === "job";
  const lacking =
    !before && about === "job" && of.job_id === null
      ? "Choose a job first."
      : !before && about === "site" && of.site_id === null
        ? "Choose a site first."
        : null;
  return (
    <Modal
      opened
      size="lg"
      onClose={onClose}
      title={before ? "Notification rule" : "New rule"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!lacking) save.mutate({ body: value, of }, { onSuccess: onClose });
        }}
      >
        <Stack gap="sm">
          {!before && (
            <Group gap="xs" align="flex-end">
              <SegmentedControl
                size="xs"
                aria-label="Tells of"
                data={[
                  { value: "job", label: "One job" },
                  { value: "site", label: "Jobs of a site" },
                  { value: "all", label: "All jobs" },
                ]}
                value={about}
                onChange={(chosen) => {
                  setAbout(chosen === "site" || chosen === "all" ? chosen : "job");
                  setOf({ job_id: null, site_id: null });
                }}
              />
              {about === "job" && jobPicker(of.job_id, undefined, (job_id) => setOf({ job_id, site_id: null }))}
              {about === "site" && (
                <Select
                  aria-label="Which site"
                  placeholder="Which site"
                  size="xs"
                  data={sites.map((one) => ({ value: String(one.id), label: one.name }))}
                  value={of.site_id === null ? null : String(of.site_id)}
                  onChange={(id) => setOf({ job_id: null, site_id: id === null ? null : Number(id) })}
                  error={said("site_id")}
                />
              )}
            </Group>
          )}
          <Events value={value} error={said("events") ?? said("urgent_events")} onChange={set} />
          <Group gap="xs" grow align="flex-start">
            {value.events.includes("not_started") && (
              <NumberInput
                label="Not started after (minutes)"
                min={1}
                max={10_080}
                value={value.not_started_minutes}
                onChange={(one) => set({ not_started_minutes: Number(one) })}
                error={said("not_started_minutes")}
              />
            )}
            {value.events.includes("failures_in_a_row") && (
              <NumberInput
                label="Failures in a row"
                min={2}
                max={100}
                value={value.failures_in_a_row}
                onChange={(one) => set({ failures_in_a_row: Number(one) })}
                error={said("failures_in_a_row")}
              />
            )}
            {value.events.includes("slower_than_usual") && (
              <NumberInput
                label="Times the usual duration"
                min={1.1}
                max={100}
                step={0.5}
                value={value.slower_factor}
                onChange={(one) => set({ slower_factor: Number(one) })}
                error={said("slower_factor")}
              />
            )}
          </Group>
          <MultiSelect
            label="On which channels"
            required
            data={channels.map((one) => ({ value: String(one.id), label: one.name }))}
            value={value.channel_ids.map(String)}
            onChange={(ids) => set({ channel_ids: ids.map(Number) })}
            error={said("channel_ids")}
            nothingFoundMessage="There is no channel that you may use."
          />
          {isOfJob && (
            <Switch
              label="Instead of rules for sites and for all jobs"
              checked={value.replaces_general}
              onChange={(event) => set({ replaces_general: event.currentTarget.checked })}
            />
          )}
          <Switch label="On" checked={value.enabled} onChange={(event) => set({ enabled: event.currentTarget.checked })} />
          <ProblemAlert problem={refusedElsewhere(save.error, SHOWN)} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={save.isPending} disabled={lacking !== null} title={lacking ?? undefined}>
              Save rule
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

interface EventsProps {
  value: RuleBody;
  error: string | undefined;
  onChange: (patch: Partial<RuleBody>) => void;
}

const Events = ({ value, error, onChange }: EventsProps) => {
  const urgent = value.urgent_events ?? [];
  const toggled = (all: readonly NotificationEvent[], one: NotificationEvent): NotificationEvent[] =>
    all.includes(one) ? all.filter((other) => other !== one) : [...all, one];
  return (
    <fieldset style={{ margin: 0, padding: 0, border: 0 }}>
      <Text component="legend" size="sm" fw={500} mb={4}>
        What is told
      </Text>
      {EVENTS.map(([event, word, more]) => (
        <Group key={event} gap="md" wrap="nowrap" mb={4}>
          <Checkbox
            size="xs"
            label={`${word}: ${more}`}
            checked={value.events.includes(event)}
            onChange={() =>
              onChange({ events: toggled(value.events, event), urgent_events: urgent.filter((one) => one !== event) })
            }
            style={{ flex: 1 }}
          />
          {value.events.includes(event) && (
            <Checkbox
              size="xs"
              label="urgent"
              aria-label={`${word} is urgent`}
              title="It waits for no digest and breaks through quiet hours."
              checked={urgent.includes(event)}
              onChange={() => onChange({ urgent_events: toggled(urgent, event) })}
            />
          )}
        </Group>
      ))}
      {error && (
        <Text size="xs" c="var(--wb-bad)">
          {error}
        </Text>
      )}
    </fieldset>
  );
};

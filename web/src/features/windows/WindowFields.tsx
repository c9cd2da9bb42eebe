import { Button, NumberInput, Radio, Stack, Switch, Text, Textarea, TextInput } from "@mantine/core";
import type { ReactNode } from "react";
import type { WindowBody } from "@/api/windows";
import { Icon } from "@/ui/icons";
import { TitledPanel } from "@/ui/TitledPanel";
import { SpanFields } from "./SpanFields";
import { newSpan, ofKind, ofZones } from "./window-form";
import classes from "./windows.module.css";

interface WindowFieldsProps {
  value: WindowBody;
  /** The zone to begin with. */
  zone: string;
  zones: readonly string[];
  said: (field: string) => string | undefined;
  onChange: (value: WindowBody) => void;
  /** What it covers: its pickers are of other features. */
  attachments: ReactNode;
}

/** Everything of a window, with the consequence of each choice beside it. */
export const WindowFields = ({ value, zone, zones, said, onChange, attachments }: WindowFieldsProps) => {
  const set = (patch: Partial<WindowBody>): void => onChange({ ...value, ...patch });
  const isAllow = value.kind === "allow";
  return (
    <>
      <TitledPanel title="What it is">
        <Stack gap="sm">
          <TextInput
            label="Name"
            required
            maxLength={200}
            value={value.name}
            onChange={(event) => set({ name: event.currentTarget.value })}
            error={said("name")}
          />
          <Radio.Group
            label="Kind"
            value={value.kind}
            onChange={(kind) => onChange(ofKind(value, kind === "allow" ? "allow" : "deny"))}
          >
            <Stack gap={6} mt={4}>
              <Radio value="deny" label="Blackout" description="Nothing starts while it holds." />
              <Radio value="allow" label="Maintenance window" description="What it covers starts only while it is open." />
            </Stack>
          </Radio.Group>
          <Radio.Group
            label="What may not start"
            value={value.when_closed}
            onChange={(chosen) => set({ when_closed: chosen === "defer" ? "defer" : "skip" })}
            error={said("when_closed")}
          >
            <Stack gap={6} mt={4}>
              <Radio value="skip" label="is skipped" description="The ledger says so; the next instant counts as ever." />
              <Radio
                value="defer"
                label="waits"
                description="It starts at the first instant at which it may, if it has not expired."
              />
            </Stack>
          </Radio.Group>
          <Textarea
            label="Description"
            autosize
            minRows={1}
            value={value.description}
            onChange={(event) => set({ description: event.currentTarget.value })}
            error={said("description")}
          />
          <Switch
            label="On"
            description={value.enabled === false ? "It is kept, and holds nothing back." : "It counts from when it is saved."}
            checked={value.enabled !== false}
            onChange={(event) => set({ enabled: event.currentTarget.checked })}
          />
        </Stack>
      </TitledPanel>
      <TitledPanel
        title="When"
        flush
        actions={
          <Button
            variant="default"
            leftSection={<Icon name="add" size={14} />}
            onClick={() => set({ spans: [...value.spans, newSpan(value.zone_source === "site" ? null : zone, new Date())] })}
          >
            Add a stretch
          </Button>
        }
      >
        <div className={classes.span}>
          <Radio.Group
            label="On whose clocks"
            value={value.zone_source}
            onChange={(chosen) => onChange(ofZones(value, chosen === "site" ? "site" : "fixed", zone))}
            error={said("zone_source")}
          >
            <div className={classes.line}>
              <Radio mt={4} value="fixed" label="A zone of its own" description="The same instant everywhere." />
              <Radio mt={4} value="site" label="Each site’s clocks" description="02:00 is 02:00 where the device is." />
            </div>
          </Radio.Group>
        </div>
        {value.spans.map((span, place) => (
          <SpanFields
            key={place}
            span={span}
            place={place}
            hasZone={value.zone_source === "fixed"}
            zones={zones}
            said={said}
            onChange={(changed) => set({ spans: value.spans.map((one, other) => (other === place ? changed : one)) })}
            onRemove={
              value.spans.length > 1 ? () => set({ spans: value.spans.filter((_, other) => other !== place) }) : undefined
            }
          />
        ))}
        {isAllow && (
          <div className={classes.span}>
            <div className={classes.line}>
              <NumberInput
                label="Nothing starts in its last … minutes"
                min={0}
                value={value.cutoff_seconds / 60}
                onChange={(minutes) => set({ cutoff_seconds: Math.round(Number(minutes) * 60) })}
                error={said("cutoff_seconds")}
              />
              <Switch
                label="Stop what still runs at its end"
                checked={value.stop_at_end}
                onChange={(event) => set({ stop_at_end: event.currentTarget.checked })}
              />
            </div>
          </div>
        )}
        {said("spans") && value.spans.length === 0 && (
          <Text size="sm" c="var(--wb-bad)" p="sm">
            {said("spans")}
          </Text>
        )}
      </TitledPanel>
      <TitledPanel title="What it covers">{attachments}</TitledPanel>
    </>
  );
};

import { Button, Group, Modal, Select, Stack, Textarea, TextInput } from "@mantine/core";
import { useMemo, useState } from "react";
import type { SiteBody } from "@/api/sites";
import { refusedAt, refusedElsewhere } from "@/lib/refusals";
import { browserZone, zoneNames } from "@/lib/time";
import { ProblemAlert } from "@/ui/ProblemAlert";

interface SiteFormProps {
  title: string;
  submit: string;
  /** Of a site that there is already. */
  before?: SiteBody;
  busy: boolean;
  problem: Parameters<typeof ProblemAlert>[0]["problem"];
  onSubmit: (body: SiteBody) => void;
  onClose: () => void;
}

const FIELDS = ["name", "description", "timezone"];

/** A site's name, its zone, and a word about it. */
export const SiteForm = ({ title, submit, before, busy, problem, onSubmit, onClose }: SiteFormProps) => {
  const [body, setBody] = useState<SiteBody>(before ?? { name: "", description: "", timezone: browserZone() });
  // The one that is chosen now may be one that this browser does not know.
  const zones = useMemo(() => zoneNames(body.timezone), [body.timezone]);
  const wrong = refusedAt(problem);
  return (
    <Modal opened onClose={onClose} title={title} closeButtonProps={{ "aria-label": "Close" }}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          onSubmit({ ...body, name: body.name.trim() });
        }}
      >
        <Stack gap="sm">
          <TextInput
            label="Name"
            required
            data-autofocus
            maxLength={200}
            value={body.name}
            error={wrong("name")}
            onChange={(event) => setBody({ ...body, name: event.currentTarget.value })}
          />
          <Select
            label="Time zone"
            description="Whose clocks jobs follow that run at each site's own time."
            searchable
            required
            data={zones}
            limit={200}
            value={body.timezone}
            error={wrong("timezone")}
            onChange={(zone) => zone && setBody({ ...body, timezone: zone })}
          />
          <Textarea
            label="Description"
            autosize
            minRows={2}
            maxLength={2000}
            value={body.description}
            error={wrong("description")}
            onChange={(event) => setBody({ ...body, description: event.currentTarget.value })}
          />
          <ProblemAlert problem={refusedElsewhere(problem, FIELDS)} />
          <Group justify="flex-end" gap="xs">
            <Button variant="default" onClick={onClose}>
              Cancel
            </Button>
            <Button type="submit" loading={busy}>
              {submit}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
};

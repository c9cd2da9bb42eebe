import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import type { AssemblyBody, AssemblyUsage } from "@/api/assemblies";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { AssemblyDiff } from "./AssemblyDiff";
import { countOf, followersOf } from "./in-words";
import { UsageList } from "./UsagePanel";

interface SaveDialogProps {
  before: AssemblyBody & { revision: number };
  after: AssemblyBody;
  usage: AssemblyUsage;
  busy: boolean;
  problem: Parameters<typeof ProblemAlert>[0]["problem"];
  onSave: () => void;
  onClose: () => void;
}

/** Before a new revision of what jobs run: what changes, and which of them run it from their next occurrence on. */
export const SaveDialog = ({ before, after, usage, busy, problem, onSave, onClose }: SaveDialogProps) => {
  const followers = followersOf(usage);
  return (
    <Modal opened onClose={onClose} size="64rem" title="Save a new revision" closeButtonProps={{ "aria-label": "Close" }}>
      <Stack gap="sm">
        <Text size="sm">
          {followers.length > 0
            ? `${countOf(followers.length, "active job runs", "active jobs run")} revision ${before.revision + 1} from the next occurrence on. What runs now keeps what it started with.`
            : "No active job that you see takes it by itself."}
          {usage.unseen_jobs > 0 && ` ${countOf(usage.unseen_jobs, "job")} of sites that you do not see may take it too.`}
        </Text>
        {followers.length > 0 && <UsageList usage={{ jobs: followers, unseen_jobs: 0, workflows: [] }} most={5} />}
        <AssemblyDiff before={before} after={after} labels={[`revision ${before.revision}`, "as you save it"]} />
        <ProblemAlert problem={problem} />
        <Group justify="flex-end" gap="xs">
          <Button variant="default" onClick={onClose}>
            Go on editing
          </Button>
          <Button loading={busy} onClick={onSave} data-autofocus>
            Save revision {before.revision + 1}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
};

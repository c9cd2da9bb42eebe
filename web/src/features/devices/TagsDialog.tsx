import { Loader, TagsInput, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { countTags, useChangeTags } from "@/api/devices";
import { asProblem } from "@/api/problem";
import { key } from "@/api/query";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { deviceCount } from "./amounts";

interface TagsDialogProps {
  deviceIds: readonly string[];
  onClose: () => void;
  onDone: () => void;
}

/** Tags for many devices: the Engine counts first how many change. */
export const TagsDialog = ({ deviceIds, onClose, onDone }: TagsDialogProps) => {
  const [add, setAdd] = useState<string[]>([]);
  const [remove, setRemove] = useState<string[]>([]);
  const change = { device_ids: [...deviceIds], add, remove };
  const isReady = add.length + remove.length > 0;
  const counted = useQuery({
    queryKey: key("devices", "tagsCounted", change),
    queryFn: () => countTags(change),
    enabled: isReady,
    staleTime: 0,
    gcTime: 0,
  });
  const act = useChangeTags((changed) => `${deviceCount(changed)} tagged.`);
  const changed = counted.data?.changed ?? 0;
  const blocked = !isReady
    ? "Name a tag first."
    : counted.isPending
      ? "Being counted."
      : changed === 0
        ? "No device changes by this."
        : null;
  return (
    <ConfirmDialog
      opened
      title={`Tag ${deviceCount(deviceIds.length)}`}
      confirm={`Tag ${deviceCount(changed)}`}
      busy={act.isPending}
      problem={act.error}
      blocked={blocked}
      onClose={onClose}
      onConfirm={() => act.mutate(change, { onSuccess: onDone })}
    >
      <TagsInput label="Add tags" value={add} onChange={setAdd} mb="xs" data-autofocus />
      <TagsInput label="Remove tags" value={remove} onChange={setRemove} mb="sm" />
      {isReady && counted.isPending && <Loader size="xs" aria-label="Counting" />}
      {counted.error && <ProblemAlert problem={asProblem(counted.error)} />}
      {counted.data && (
        <Text size="sm">
          {changed === deviceIds.length
            ? `All ${deviceCount(changed)} change.`
            : `${deviceCount(changed)} of ${deviceIds.length.toLocaleString("en")} change; the others are so already.`}
        </Text>
      )}
    </ConfirmDialog>
  );
};

import { Text } from "@mantine/core";
import { type LedgerEntry, useReleaseOccurrence, useSkipOccurrence } from "@/api/ledger";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { Instant } from "@/ui/Instant";

export interface HeldCommand {
  does: "release" | "skip";
  one: LedgerEntry;
}

/** A person's word on one held occurrence. To let go what a window holds takes a reason. */
export const HeldDialog = ({ asked, onClose }: { asked: HeldCommand; onClose: () => void }) => {
  const release = useReleaseOccurrence();
  const skip = useSkipOccurrence();
  const { does, one } = asked;
  const isRelease = does === "release";
  const act = isRelease ? release : skip;
  const isByWindow = one.reason === "held_by_window";
  return (
    <ConfirmDialog
      opened
      title={isRelease ? "Run it now" : "Skip it"}
      confirm={isRelease ? "Run now" : "Skip"}
      danger={!isRelease}
      reason={{
        label: isRelease && isByWindow ? "Why it runs although a window is closed" : "Why",
        required: isRelease && isByWindow,
      }}
      busy={act.isPending}
      problem={act.error}
      onClose={onClose}
      onConfirm={(reason) => act.mutate({ one, reason: reason || undefined }, { onSuccess: onClose })}
    >
      <Text size="sm">
        “{one.job_name}”, due <Instant at={one.scheduled_for_at} />, {isRelease ? "starts at once." : "will not run."}
      </Text>
      <Text size="sm" c="dimmed" mt={4}>
        {one.sentence}
      </Text>
    </ConfirmDialog>
  );
};

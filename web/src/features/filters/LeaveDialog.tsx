import { useQuery } from "@tanstack/react-query";
import { type Filter, filterUsageQuery, useArchiveFilter, useDeleteFilter } from "@/api/filters";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { isUsed, Uses } from "./UsagePanel";

export type LeaveKind = "archive" | "delete";

interface LeaveDialogProps {
  kind: LeaveKind;
  filter: Filter;
  onClose: () => void;
  onDone: () => void;
}

/** Takes a filter out of use, or away. What uses it keeps it, and is named. */
export const LeaveDialog = ({ kind, filter, onClose, onDone }: LeaveDialogProps) => {
  const usage = useQuery({ ...filterUsageQuery(filter.id), staleTime: 0 }).data;
  const archive = useArchiveFilter();
  const remove = useDeleteFilter();
  const isArchive = kind === "archive";
  const act = isArchive ? archive : remove;
  const used = usage !== undefined && isUsed(usage);
  const confirm = (): void => {
    if (isArchive) archive.mutate({ filter, archived: true }, { onSuccess: onDone });
    else remove.mutate(filter, { onSuccess: onDone });
  };
  return (
    <ConfirmDialog
      opened
      danger={!isArchive}
      title={isArchive ? "Archive the filter" : "Delete the filter"}
      confirm={isArchive ? "Archive filter" : "Delete filter"}
      busy={act.isPending}
      problem={act.error}
      blocked={used ? "It is in use." : null}
      onClose={onClose}
      onConfirm={confirm}
    >
      {used ? (
        <>
          “{filter.name}” is in use, and stays until these have another one:
          <Uses usage={usage} />
        </>
      ) : isArchive ? (
        `“${filter.name}” can be named by no job and no window any more; it can be brought back.`
      ) : (
        `“${filter.name}” is deleted for good. What it found for runs of the past stays with them.`
      )}
    </ConfirmDialog>
  );
};

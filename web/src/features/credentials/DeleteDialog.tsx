import { useQuery } from "@tanstack/react-query";
import { type Credential, credentialUsageQuery, useDeleteCredential } from "@/api/credentials";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { Uses } from "./UsageDialog";

/** Asks before a credential is deleted; one that jobs sign in with stays, and they are named. */
export const DeleteDialog = ({ one, onClose }: { one: Credential; onClose: () => void }) => {
  const remove = useDeleteCredential();
  const usage = useQuery(credentialUsageQuery(one.id)).data;
  const isUsed = usage !== undefined && usage.jobs.length + usage.unseen_jobs > 0;
  return (
    <ConfirmDialog
      opened
      danger
      title={`Delete ${one.name}`}
      confirm="Delete credential"
      busy={remove.isPending}
      blocked={isUsed ? "Jobs sign in with it." : null}
      problem={remove.error}
      onClose={onClose}
      onConfirm={() => remove.mutate(one, { onSuccess: onClose })}
    >
      {isUsed ? "It cannot be deleted while these jobs sign in with it:" : "Its secrets are forgotten for good."}
      <Uses credentialId={one.id} />
    </ConfirmDialog>
  );
};

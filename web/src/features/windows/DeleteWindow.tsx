import { useDeleteWindow, type WindowRow } from "@/api/windows";
import { ConfirmDialog } from "@/ui/ConfirmDialog";

interface DeleteWindowProps {
  window: Pick<WindowRow, "id" | "name" | "covers" | "kind">;
  onClose: () => void;
  onDone?: () => void;
}

/** Asks before a window is deleted, and says what is free of it then. */
export const DeleteWindow = ({ window, onClose, onDone }: DeleteWindowProps) => {
  const remove = useDeleteWindow();
  return (
    <ConfirmDialog
      opened
      danger
      title="Delete the window"
      confirm="Delete window"
      busy={remove.isPending}
      problem={remove.error}
      onClose={onClose}
      onConfirm={() =>
        remove.mutate(window, {
          onSuccess: () => {
            onClose();
            onDone?.();
          },
        })
      }
    >
      “{window.name}” {window.kind === "deny" ? "no longer keeps work away from" : "no longer holds back work on"}{" "}
      {window.covers.join(", ") || "anything"}. What it holds now starts as it may.
    </ConfirmDialog>
  );
};

import { useBlocker } from "@tanstack/react-router";
import { ConfirmDialog } from "./ConfirmDialog";

/** While `isDirty`, whoever goes to another page, or closes the tab, is asked first. Another part of the same page is no other page. */
export const LeaveGuard = ({ isDirty, what }: { isDirty: boolean; what: string }) => {
  const { status, proceed, reset } = useBlocker({
    shouldBlockFn: ({ current, next }) => isDirty && current.pathname !== next.pathname,
    enableBeforeUnload: isDirty,
    withResolver: true,
  });
  return (
    <ConfirmDialog
      opened={status === "blocked"}
      danger
      title="Leave without saving?"
      confirm="Leave and lose it"
      onConfirm={() => proceed?.()}
      onClose={() => reset?.()}
    >
      {what} has changes that are not saved.
    </ConfirmDialog>
  );
};

import { useBlocker } from "@tanstack/react-router";
import { ConfirmDialog } from "@/ui/ConfirmDialog";

/** Asks before one leaves with changes that are not saved; the browser asks where the tab is closed. */
export const LeaveGuard = ({ isDirty, mayGo }: { isDirty: boolean; mayGo: () => boolean }) => {
  const blocker = useBlocker({
    shouldBlockFn: ({ current, next }) => isDirty && !mayGo() && current.pathname !== next.pathname,
    enableBeforeUnload: () => isDirty && !mayGo(),
    withResolver: true,
  });
  if (blocker.status !== "blocked") return null;
  return (
    <ConfirmDialog
      opened
      danger
      title="Leave without saving?"
      confirm="Leave"
      onConfirm={() => blocker.proceed()}
      onClose={() => blocker.reset()}
    >
      What you changed is not saved, and is lost when you leave.
    </ConfirmDialog>
  );
};

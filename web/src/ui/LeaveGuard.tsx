import { useBlocker } from "@tanstack/react-router";
import type { RefObject } from "react";
import { ConfirmDialog } from "./ConfirmDialog";

interface LeaveGuardProps {
  isDirty: boolean;
  /** What has the changes, as a sentence begins with it. */
  what: string;
  /** Set by who saves or deletes it and leads on: then nothing is left to be lost. */
  isDone?: RefObject<boolean>;
}

/** While `isDirty`, whoever goes to another page, or closes the tab, is asked first. Another part of the same page is no other page. */
export const LeaveGuard = ({ isDirty, what, isDone }: LeaveGuardProps) => {
  const isLost = (): boolean => isDirty && !isDone?.current;
  const { status, proceed, reset } = useBlocker({
    shouldBlockFn: ({ current, next }) => isLost() && current.pathname !== next.pathname,
    enableBeforeUnload: isLost,
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

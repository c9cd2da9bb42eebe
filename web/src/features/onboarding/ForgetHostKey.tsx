import { useForgetHostKey, type Address } from "@/api/onboarding";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { nameOf } from "./address-words";

interface ForgetHostKeyProps {
  one: Address;
  onClose: () => void;
  /** It is forgotten, and may be looked at again. */
  onDone: () => void;
}

/** Trust the next host key that an address shows: what that means is said before. */
export const ForgetHostKey = ({ one, onClose, onDone }: ForgetHostKeyProps) => {
  const forget = useForgetHostKey();
  return (
    <ConfirmDialog
      opened
      danger
      title="Forget the host key"
      confirm="Forget it"
      busy={forget.isPending}
      problem={forget.error}
      onClose={onClose}
      onConfirm={() => forget.mutate(one, { onSuccess: onDone })}
    >
      {nameOf(one)} showed another SSH host key than the one that is on record. That is so when the machine was installed anew or
      another one has its address now; it is also what somebody looks like who sits between, and wants your credentials. Forget
      the key only where you know why it changed. The next one that is shown is trusted, and kept.
    </ConfirmDialog>
  );
};

import { Button, FileButton, Group, PasswordInput, Text, Textarea } from "@mantine/core";
import { Icon } from "@/ui/icons";
import type { SecretDraft } from "./credential-draft";
import classes from "./credentials.module.css";

interface SecretFieldProps {
  label: string;
  draft: SecretDraft;
  /** There is one, which stays while nothing is typed. */
  isStored: boolean;
  /** What may be told of the stored one. */
  about?: string | null;
  /** A key of several lines. */
  isKey?: boolean;
  error: string | undefined;
  onChange: (draft: SecretDraft) => void;
}

/** A secret that can be written and never read: it says whether one is stored, replaces it, or takes it away. */
export const SecretField = (props: SecretFieldProps) => {
  const { label, draft, isStored, isKey, error, onChange } = props;
  const shared = {
    label: isStored ? `New ${label.toLowerCase()}` : label,
    description: <Standing {...props} />,
    value: draft.text,
    error,
    autoComplete: "new-password",
    spellCheck: false,
    onChange: (event: { currentTarget: { value: string } }) => onChange({ text: event.currentTarget.value, isRemoved: false }),
  };
  if (!isKey) return <PasswordInput {...shared} visibilityToggleButtonProps={{ "aria-label": "Show or hide what you type" }} />;
  return (
    <div>
      <Textarea
        {...shared}
        className={classes.pem}
        autosize
        minRows={2}
        maxRows={8}
        placeholder="-----BEGIN OPENSSH PRIVATE KEY-----"
      />
      <FileButton onChange={(file) => void file?.text().then((text) => onChange({ text, isRemoved: false }))}>
        {(button) => (
          <Button {...button} mt={4} size="compact-xs" variant="subtle" leftSection={<Icon name="upload" size={14} />}>
            From a file
          </Button>
        )}
      </FileButton>
    </div>
  );
};

const Standing = ({ label, draft, isStored, about, onChange }: SecretFieldProps) => {
  if (!isStored) return <>Kept sealed; it is not shown again.</>;
  const name = label.toLowerCase();
  return (
    <Group component="span" gap={8} justify="space-between">
      <span className={classes.stored}>
        <Icon name={draft.isRemoved ? "cancelled" : "token"} size={14} />
        <Text span inherit>
          {draft.isRemoved ? "The stored one is taken away." : `Stored${about ? `: ${about}` : ""}. Left empty, it stays.`}
        </Text>
      </span>
      <Button
        size="compact-xs"
        variant="subtle"
        color={draft.isRemoved ? undefined : "red"}
        onClick={() => onChange({ text: "", isRemoved: !draft.isRemoved })}
      >
        {draft.isRemoved ? `Keep the stored ${name}` : `Take the stored ${name} away`}
      </Button>
    </Group>
  );
};

import { Button, Group, PasswordInput, Stack } from "@mantine/core";
import { useState } from "react";
import { madeUpPassword } from "@/lib/made-up-password";
import { CopyText } from "@/ui/CopyText";

interface PasswordFieldProps {
  label: string;
  value: string;
  error: string | undefined;
  onChange: (value: string) => void;
}

/** A password to hand over: typed, or made up and then shown to be copied. */
export const PasswordField = ({ label, value, error, onChange }: PasswordFieldProps) => {
  const [made, setMade] = useState<string | null>(null);
  return (
    <Stack gap={6}>
      <Group gap="xs" align="flex-end" wrap="nowrap">
        <PasswordInput
          style={{ flex: 1 }}
          label={label}
          description="They choose another one when they first sign in with it."
          required
          autoComplete="new-password"
          value={value}
          error={error}
          onChange={(event) => {
            setMade(null);
            onChange(event.currentTarget.value);
          }}
          visibilityToggleButtonProps={{ "aria-label": "Show or hide the password" }}
        />
        <Button
          variant="default"
          size="sm"
          mb={error ? 22 : 0}
          onClick={() => {
            const next = madeUpPassword();
            setMade(next);
            onChange(next);
          }}
        >
          Make one up
        </Button>
      </Group>
      {made !== null && made === value && <CopyText text={made} label="Copy the password" />}
    </Stack>
  );
};

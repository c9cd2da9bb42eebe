import { Button, PasswordInput, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { useChangePassword } from "@/api/session";
import { refusedAt } from "@/lib/refusals";
import { ProblemAlert } from "@/ui/ProblemAlert";

interface ChoosePasswordProps {
  username: string;
  /** Why one is asked, and what happens. */
  intro: string;
  currentLabel: string;
  submit: string;
  onDone?: () => void;
}

/** A password of one's own in place of the one before. */
export const ChoosePassword = ({ username, intro, currentLabel, submit, onDone }: ChoosePasswordProps) => {
  const [current, setCurrent] = useState("");
  const [chosen, setChosen] = useState("");
  const [again, setAgain] = useState("");
  const change = useChangePassword();
  const errorOf = refusedAt(change.error);
  const differs = again !== "" && again !== chosen;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (chosen === again) change.mutate({ current_password: current, new_password: chosen }, { onSuccess: onDone });
      }}
    >
      <Stack gap="sm">
        <Text size="sm">{intro}</Text>
        <input type="text" name="username" autoComplete="username" value={username} readOnly hidden />
        <PasswordInput
          label={currentLabel}
          autoComplete="current-password"
          required
          data-autofocus
          value={current}
          error={errorOf("current_password")}
          onChange={(event) => setCurrent(event.currentTarget.value)}
        />
        <PasswordInput
          label="New password"
          autoComplete="new-password"
          required
          value={chosen}
          error={errorOf("new_password")}
          onChange={(event) => setChosen(event.currentTarget.value)}
        />
        <PasswordInput
          label="New password again"
          autoComplete="new-password"
          required
          value={again}
          error={differs ? "These two differ." : undefined}
          onChange={(event) => setAgain(event.currentTarget.value)}
        />
        <ProblemAlert problem={change.error} />
        <Button type="submit" size="sm" fullWidth loading={change.isPending} disabled={differs}>
          {submit}
        </Button>
      </Stack>
    </form>
  );
};

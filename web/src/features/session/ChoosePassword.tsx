import { Button, PasswordInput, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { useChangePassword } from "@/api/session";
import { ProblemAlert } from "@/ui/ProblemAlert";

/** The first sign-in: a password of one's own before anything else. */
export const ChoosePassword = ({ username }: { username: string }) => {
  const [current, setCurrent] = useState("");
  const [chosen, setChosen] = useState("");
  const [again, setAgain] = useState("");
  const change = useChangePassword();
  const differs = again !== "" && again !== chosen;
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        if (chosen === again) change.mutate({ current_password: current, new_password: chosen });
      }}
    >
      <Stack gap="sm">
        <Text size="sm">Choose a password of your own, {username}. The one that you were given ends with that.</Text>
        <input type="text" name="username" autoComplete="username" value={username} readOnly hidden />
        <PasswordInput
          label="Password you were given"
          autoComplete="current-password"
          required
          value={current}
          onChange={(event) => setCurrent(event.currentTarget.value)}
        />
        <PasswordInput
          label="New password"
          autoComplete="new-password"
          required
          value={chosen}
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
          Choose and go on
        </Button>
      </Stack>
    </form>
  );
};

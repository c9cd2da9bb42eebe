import { Alert, Button, List } from "@mantine/core";
import { Icon } from "./icons";

interface Problem {
  title?: string;
  detail?: string;
  message?: string;
  status?: number;
  errors?: readonly { field: string; message: string }[];
}

const WORDS: Readonly<Record<number, string>> = {
  403: "You may not do this",
  404: "It does not exist, or you do not see it",
  409: "Something changed in the meantime",
  412: "Somebody else saved it in the meantime",
};

/** As calm as the panels around it, in both schemes: the red of the words and of the edge is enough. */
const COLOURS = () => ({
  root: {
    "--alert-bg": "color-mix(in srgb, var(--wb-bad) 7%, var(--wb-panel))",
    "--alert-bd": "1px solid color-mix(in srgb, var(--wb-bad) 30%, var(--wb-panel))",
    "--alert-color": "var(--wb-bad)",
  },
});

/** A refusal with every reason, as the Engine gave them. `onRetry` offers to ask again. */
export const ProblemAlert = ({ problem, onRetry }: { problem: Problem | null | undefined; onRetry?: () => void }) => {
  if (!problem) return null;
  const title = WORDS[problem.status ?? 0] ?? problem.title ?? "That did not work";
  return (
    <Alert color="red" vars={COLOURS} title={title} icon={<Icon name="failed" size={18} />} role="alert">
      <div>{problem.detail ?? problem.message}</div>
      {problem.errors && problem.errors.length > 0 && (
        <List size="sm" mt={6}>
          {problem.errors.map((one) => (
            <List.Item key={`${one.field} ${one.message}`}>
              {one.field && <strong>{one.field}: </strong>}
              {one.message}
            </List.Item>
          ))}
        </List>
      )}
      {onRetry && (
        <Button mt="xs" variant="default" onClick={onRetry}>
          Try again
        </Button>
      )}
    </Alert>
  );
};

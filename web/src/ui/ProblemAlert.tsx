import { Alert, Button, List } from "@mantine/core";
import { Icon } from "./icons";
import classes from "./ui.module.css";

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

/** A refusal with every reason, as the Engine gave them. `onRetry` offers to ask again. */
export const ProblemAlert = ({ problem, onRetry }: { problem: Problem | null | undefined; onRetry?: () => void }) => {
  if (!problem) return null;
  const title = WORDS[problem.status ?? 0] ?? problem.title ?? "That did not work";
  return (
    <Alert title={title} icon={<Icon name="failed" size={18} />} role="alert" classNames={{ root: classes.problem }}>
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

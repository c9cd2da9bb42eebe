import { type Execution, executionState } from "@/api/runs";
import { StateBadge } from "@/ui/StateBadge";
import classes from "./output.module.css";

interface ExecutionChoiceProps {
  executions: readonly Execution[];
  components: readonly string[];
  chosen: string | null;
  onChoose: (id: string) => void;
}

/** Everything that ran on a device, component by component, try by try and session by session; nothing to choose where that is one. */
export const ExecutionChoice = ({ executions, components, chosen, onChoose }: ExecutionChoiceProps) => {
  if (executions.length < 2) return null;
  const hasTries = executions.some((one) => one.attempt > 1);
  return (
    <div className={classes.executions} role="group" aria-label="What ran on it">
      {executions.map((one) => {
        const name = components[one.component] ?? `Component ${one.component + 1}`;
        const parts = [
          components.length > 1 ? `${one.component + 1}. ${name}` : name,
          one.is_recheck ? "again" : null,
          hasTries ? `try ${one.attempt}` : null,
          one.session_user_name,
          one.exit_code === null ? null : `exit ${one.exit_code}`,
        ];
        return (
          <button
            key={one.id}
            type="button"
            className={classes.execution}
            aria-pressed={one.id === chosen}
            onClick={() => onChoose(one.id)}
          >
            <StateBadge state={executionState(one)} plain />
            <span>{parts.filter(Boolean).join(" · ")}</span>
          </button>
        );
      })}
    </div>
  );
};

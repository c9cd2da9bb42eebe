import { useEditorApi } from "./editor-context";
import classes from "./editor.module.css";

interface ProblemsProps {
  isChecking: boolean;
  isKnown: boolean;
  /** Why it could not be checked. */
  unknown: string | null;
}

/** What the Engine finds wrong with the workflow; each leads to its node. */
export const Problems = ({ isChecking, isKnown, unknown }: ProblemsProps) => {
  const { doc, faults, goTo } = useEditorApi();
  const nameOf = (id: string | null): string => doc.nodes.find((one) => one.id === id)?.name ?? "The workflow";
  return (
    <section className={`wb-panel ${classes.problems}`} aria-label="Problems">
      <p role="status" className={classes.problemsHead}>
        {faults.length > 0
          ? `${faults.length} ${faults.length === 1 ? "problem" : "problems"}`
          : isChecking
            ? "The Engine is looking at it…"
            : isKnown
              ? "The Engine finds nothing wrong."
              : (unknown ?? "Not checked yet.")}
      </p>
      {faults.length > 0 && (
        <ul>
          {faults.map((one) => (
            <li key={`${one.field} ${one.message}`}>
              <button type="button" onClick={() => one.node && goTo(one.node)} disabled={one.node === null}>
                <strong>{nameOf(one.node)}</strong> <span>{one.message}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
};

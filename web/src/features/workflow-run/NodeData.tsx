import { Loader } from "@mantine/core";
import type { NodeDetail, RunNode } from "@/api/workflow-types";
import { EmptyState } from "@/ui/EmptyState";
import { JsonView } from "./JsonView";
import classes from "./workflow-run.module.css";

/** What came into a node by name, and what it gave. */
export const NodeData = ({ node, detail }: { node: RunNode; detail: NodeDetail | undefined }) => {
  if (!detail) return <Loader size="sm" aria-label="Reading what came in and out" />;
  const hasInputs = Object.keys(detail.inputs).length > 0;
  const hasResult = detail.result !== null && detail.result !== undefined;
  if (!hasInputs && !hasResult)
    return (
      <EmptyState icon="value" title="Nothing came in, and nothing came out.">
        {node.finished_at ? null : "What it gives is shown here once it has ended."}
      </EmptyState>
    );
  return (
    <div className={classes.stack}>
      {hasInputs && (
        <>
          <h3 className={classes.small}>What came in</h3>
          <JsonView label="Inputs" value={detail.inputs} />
        </>
      )}
      {hasResult && (
        <>
          <h3 className={classes.small}>What it gave</h3>
          <JsonView label="Result" value={detail.result} />
        </>
      )}
    </div>
  );
};

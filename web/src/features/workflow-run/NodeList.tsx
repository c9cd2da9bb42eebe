import type { WorkflowRun } from "@/api/workflow-types";
import { stateMark } from "@/lib/states";
import { CountsBar } from "@/ui/CountsBar";
import { Duration } from "@/ui/Duration";
import { Icon } from "@/ui/icons";
import { StateBadge } from "@/ui/StateBadge";
import { inOrder } from "./graph";
import { nodeKind, whyNode } from "./words";
import classes from "./workflow-run.module.css";

interface NodeListProps {
  run: WorkflowRun;
  shown: string | null;
  onChoose: (nodeId: string) => void;
}

/** The nodes of a run one below the other, each behind those that lead to it: what the graph says, to be read and heard. */
export const NodeList = ({ run, shown, onChoose }: NodeListProps) => {
  const nodes = new Map(run.nodes.map((one) => [one.node_id, one]));
  const steps = new Map(run.definition.nodes.map((one) => [one.id, one]));
  return (
    <ol className={classes.nodes} aria-label="Nodes of the run">
      {inOrder(run.definition).map((id) => {
        const node = nodes.get(id);
        const step = steps.get(id);
        if (!node || !step) return null;
        const why = whyNode(node);
        const kind = nodeKind(step.type);
        return (
          <li key={id}>
            <button
              type="button"
              className={classes.nodeRow}
              data-tone={stateMark(node.state).tone}
              aria-pressed={id === shown}
              onClick={() => onChoose(id)}
            >
              <span className={classes.nodeState}>
                <StateBadge state={node.state} />
              </span>
              <span className={classes.nodeName}>
                <strong>{step.name || id}</strong>
                <span className={classes.dim}>
                  <Icon name={kind.icon} size={12} /> {kind.word}
                  {node.attempt > 1 && ` · try ${node.attempt}`}
                  {node.kept && " · kept from an earlier run"}
                </span>
                {why && <span className={classes.nodeWhy}>{why}</span>}
              </span>
              <span className={classes.nodeCounts}>
                {Object.keys(node.counts).length > 0 && <CountsBar size="small" counts={node.counts} />}
              </span>
              <span className={classes.nodeTime}>
                {node.started_at && !node.kept ? <Duration since={node.started_at} until={node.finished_at} /> : "–"}
              </span>
            </button>
          </li>
        );
      })}
    </ol>
  );
};

import { Handle, type HandleType, type Node, type NodeProps, Position } from "@xyflow/react";
import { memo } from "react";
import type { DocumentNode, RunNode } from "@/api/workflow-types";
import { inCountOrder, stateMark } from "@/lib/states";
import { Duration } from "@/ui/Duration";
import { Icon } from "@/ui/icons";
import { StateBadge } from "@/ui/StateBadge";
import { HANDLE_AT, NODE_HEIGHT } from "./graph";
import classes from "./graph.module.css";
import { nodeKind } from "./words";

export type FlowNode = Node<{ step: DocumentNode; node: RunNode; isShown: boolean }, "run">;

/** Their time says nothing, or stands beside what is asked. */
const UNTIMED = ["skipped", "awaiting_approval"];

/** A node of a run as the graph has it: its kind, its name, its state by icon, word and colour, how long, and its devices. */
export const GraphNode = memo(
  ({ data: { step, node, isShown } }: NodeProps<FlowNode>) => {
    const kind = nodeKind(step.type);
    const { tone } = stateMark(node.state);
    return (
      <div className={classes.node} data-tone={tone} data-state={node.state} data-shown={isShown} data-kept={node.kept}>
        <Ends type="target" />
        <div className={classes.title} title={`${kind.word}: ${step.name || step.id}`}>
          <Icon name={kind.icon} size={15} />
          <span>
            <span className="wb-only-read">{kind.word}: </span>
            {step.name || step.id}
          </span>
        </div>
        <div className={classes.line}>
          <StateBadge state={node.state} plain />
          {node.kept ? (
            <span className={classes.dim}>kept</span>
          ) : (
            node.started_at &&
            !UNTIMED.includes(node.state) && (
              <span className={classes.dim}>
                <Duration since={node.started_at} until={node.finished_at} />
              </span>
            )
          )}
        </div>
        <Foot step={step} node={node} />
        <Ends type="source" />
      </div>
    );
  },
  (one, other) =>
    one.data.node === other.data.node && one.data.step === other.data.step && one.data.isShown === other.data.isShown,
);
GraphNode.displayName = "GraphNode";

/** Where edges come in and leave. */
const Ends = ({ type }: { type: HandleType }) =>
  (["control", "data"] as const).map((id) => (
    <Handle
      key={id}
      id={id}
      type={type}
      position={type === "target" ? Position.Left : Position.Right}
      className={classes.handle}
      style={{ top: HANDLE_AT[id] * NODE_HEIGHT }}
      isConnectable={false}
    />
  ));

/** Of a script or a playbook its devices by state; of a set how many are in it. */
const Foot = ({ step, node }: { step: DocumentNode; node: RunNode }) => {
  const counts = inCountOrder(node.counts);
  if (counts.length > 0) {
    const told = counts.map(([state, number]) => `${number.toLocaleString("en")} ${stateMark(state).word.toLowerCase()}`);
    return (
      <div className={classes.counts} title={told.join(", ")}>
        <span className={classes.shares} aria-hidden="true">
          {counts.map(([state, number]) => (
            <span key={state} data-tone={stateMark(state).tone} style={{ flexGrow: number }} />
          ))}
        </span>
        <span>{counts.reduce((sum, [, number]) => sum + number, 0).toLocaleString("en")}</span>
      </div>
    );
  }
  const sets = Object.entries(node.sets);
  if (sets.length === 0) return <div className={classes.counts}>{nodeKind(step.type).word}</div>;
  const said = sets.map(([port, number]) =>
    port === "devices"
      ? `${number.toLocaleString("en")} ${number === 1 ? "device" : "devices"}`
      : `${number.toLocaleString("en")} ${port}`,
  );
  return (
    <div className={classes.counts} title={said.join(", ")}>
      {said.slice(0, 3).join(" · ")}
    </div>
  );
};

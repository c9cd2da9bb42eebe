import { Handle, type Node, type NodeProps, Position } from "@xyflow/react";
import { memo } from "react";
import { Icon } from "@/ui/icons";
import { type Port, SHAPES, type Side, type WorkflowNode } from "./document";
import classes from "./graph.module.css";
import { kindOfType, PORT_WORDS } from "./kinds";
import { summaryOf } from "./summary";

export interface CardData extends Record<string, unknown> {
  node: WorkflowNode;
  /** What is wrong with it, in words. */
  faults: readonly string[];
  /** Inputs that must have an edge and have none. */
  lacking: readonly string[];
  fate?: "added" | "removed" | "changed" | "same";
  isReadOnly: boolean;
}

export type CardNode = Node<CardData, "card">;

/** A node as it is drawn: what it is, what it does in a line, and its ports. */
export const NodeCard = memo(({ data, selected }: NodeProps<CardNode>) => {
  const { node, faults, lacking, fate, isReadOnly } = data;
  const kind = kindOfType(node.type);
  const { inputs, outputs } = SHAPES[node.type];
  const rows = Math.max(inputs.length, outputs.length);
  return (
    <div className={classes.card} data-selected={selected} data-wrong={faults.length > 0} data-fate={fate} data-type={node.type}>
      <div className={classes.cardHead}>
        <span className={classes.cardIcon}>
          <Icon name={kind.icon} size={16} />
        </span>
        <span className={classes.cardTitle}>
          <strong title={node.name}>{node.name}</strong>
          <span className={classes.cardAbout} title={summaryOf(node)}>
            {summaryOf(node) || kind.label}
          </span>
        </span>
        {faults.length > 0 && (
          <span className={classes.cardFault} title={faults.join("\n")}>
            <Icon name="warning" size={15} />
            <span className="wb-only-read">{faults.join(" ")}</span>
          </span>
        )}
        {fate && fate !== "same" && <span className={classes.fate}>{fate}</span>}
      </div>
      <div className={classes.ports}>
        {Array.from({ length: rows }, (_, at) => (
          <div key={at} className={classes.portRow}>
            <PortMark
              port={inputs[at]}
              side="input"
              isLacking={lacking.includes(inputs[at]?.name ?? "")}
              isReadOnly={isReadOnly}
            />
            <PortMark port={outputs[at]} side="output" isLacking={false} isReadOnly={isReadOnly} />
          </div>
        ))}
      </div>
    </div>
  );
});
NodeCard.displayName = "NodeCard";

interface PortMarkProps {
  port: Port | undefined;
  side: Side;
  isLacking: boolean;
  isReadOnly: boolean;
}

const PortMark = ({ port, side, isLacking, isReadOnly }: PortMarkProps) => {
  if (!port) return <span />;
  const isInput = side === "input";
  const kinds = port.kinds.join(" or ");
  return (
    <span className={classes.port} data-side={side} title={`${port.name}: ${PORT_WORDS[port.name] ?? kinds} (${kinds})`}>
      <Handle
        id={port.name}
        type={isInput ? "target" : "source"}
        position={isInput ? Position.Left : Position.Right}
        className={classes.handle}
        data-kind={port.kinds[0]}
        data-lacking={isLacking}
        isConnectable={!isReadOnly}
      />
      <span data-lacking={isLacking}>{port.name}</span>
    </span>
  );
};

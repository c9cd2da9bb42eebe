import "@xyflow/react/dist/base.css";
import { Background, Controls, MarkerType, ReactFlow, ReactFlowProvider } from "@xyflow/react";
import { useMemo } from "react";
import { diffOf, type Fate, isNothing } from "./diff";
import { edgeInWords } from "./connect";
import { edgeId, kindOf, nodeOf, portOf } from "./document";
import classes from "./editor.module.css";
import graphClasses from "./graph.module.css";
import { ROUTE_WORDS } from "./kinds";
import { type CardNode, NodeCard } from "./NodeCard";
import { readWorkflow } from "./read-document";
import { type LineEdge, RouteEdge } from "./RouteEdge";

interface WorkflowDiffViewProps {
  before: unknown;
  after: unknown;
  labels: readonly [string, string];
}

const NODES = { card: NodeCard };
const EDGES = { line: RouteEdge };

/** What differs between two states of a workflow: as a graph with both, and in words. */
export const WorkflowDiffView = ({ before, after, labels }: WorkflowDiffViewProps) => {
  const [old, now] = useMemo(() => [readWorkflow(before), readWorkflow(after)], [before, after]);
  const diff = useMemo(() => diffOf(old, now), [old, now]);
  const both = useMemo(() => ({ nodes: diff.nodes.map((one) => one.node), edges: diff.edges.map((one) => one.edge) }), [diff]);
  if (isNothing(diff)) return <p className={classes.hint}>Nodes and edges are the same.</p>;
  const nodes = diff.nodes.map(({ node, fate }): CardNode => ({
    id: node.id,
    type: "card",
    position: { x: node.x, y: node.y },
    ariaLabel: `${node.name}: ${fate}`,
    data: { node, faults: [], lacking: [], fate, isReadOnly: true },
  }));
  const edges = diff.edges.map(({ edge, fate }): LineEdge => ({
    id: edgeId(edge),
    type: "line",
    source: nodeOf(edge.from),
    sourceHandle: portOf(edge.from),
    target: nodeOf(edge.to),
    targetHandle: portOf(edge.to),
    data: { edge, kind: kindOf(both, edge), fate: fate === "same" ? undefined : fate },
    markerEnd: kindOf(both, edge) === "control" ? { type: MarkerType.ArrowClosed, color: "context-stroke" } : undefined,
  }));
  const lines = [
    ...diff.fields.map((name) => `The workflow: ${name.replaceAll("_", " ")} ${said(old[name])} → ${said(now[name])}`),
    ...diff.nodes.filter((one) => one.fate !== "same").map((one) => nodeInWords(one.node.name, one.fate, one.fields)),
    ...diff.edges
      .filter((one) => one.fate !== "same")
      .map(({ edge, fate, before: was }) => {
        const route = was ? `, ${routeInWords(was.route_on)} → ${routeInWords(edge.route_on)}` : "";
        return `Edge ${fate}: ${edgeInWords(both, edge)}${route}`;
      }),
  ];
  return (
    <section className={classes.stack} aria-label="Differences of the graph">
      <p className={classes.hint}>
        {labels[0]} → {labels[1]}. What was removed is dashed.
      </p>
      <div className={graphClasses.picture} role="region" aria-label="Both as one graph">
        <ReactFlowProvider>
          <ReactFlow
            className={graphClasses.flow}
            nodes={nodes}
            edges={edges}
            nodeTypes={NODES}
            edgeTypes={EDGES}
            nodesDraggable={false}
            nodesConnectable={false}
            elementsSelectable={false}
            deleteKeyCode={null}
            minZoom={0.1}
            fitView
            fitViewOptions={{ maxZoom: 1, padding: 0.1 }}
          >
            <Background gap={20} size={1.5} />
            <Controls showInteractive={false} />
          </ReactFlow>
        </ReactFlowProvider>
      </div>
      <ul className={classes.changes}>
        {lines.map((one) => (
          <li key={one}>{one}</li>
        ))}
      </ul>
    </section>
  );
};

const said = (value: number | string | null): string => (value === null ? "none" : String(value));

const routeInWords = (route: keyof typeof ROUTE_WORDS | null): string => (route === null ? "as it was" : ROUTE_WORDS[route]);

const nodeInWords = (name: string, fate: Fate, fields: readonly string[]): string =>
  `Node ${fate}: ${name}${fields.length > 0 ? ` (${fields.map((one) => one.replaceAll("_", " ")).join(", ")})` : ""}`;

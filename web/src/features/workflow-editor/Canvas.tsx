import "@xyflow/react/dist/base.css";
import {
  applyNodeChanges,
  Background,
  Controls,
  type EdgeChange,
  MiniMap,
  type NodeChange,
  ReactFlow,
  useReactFlow,
} from "@xyflow/react";
import { type DragEvent, useMemo, useState } from "react";
import { connected, moved } from "./edit";
import { endsOf, whyNot } from "./connect";
import { isNodeType, type NodeType } from "./document";
import { useEditorApi } from "./editor-context";
import { cardsOf, linesOf, type Selection } from "./flow";
import classes from "./graph.module.css";
import { type CardNode, NodeCard } from "./NodeCard";
import { type LineEdge, RouteEdge } from "./RouteEdge";
import { Refusal } from "./Refusal";

const NODES = { card: NodeCard };
const EDGES = { line: RouteEdge };
/** What the palette puts on the pointer. */
export const DRAGGED = "application/x-watchbill-node";

interface CanvasProps {
  selection: Selection;
  onSelect: (selection: Selection) => void;
  onDropNode: (type: NodeType, place: { x: number; y: number }) => void;
}

/** What is selected after these changes. */
const selected = (before: ReadonlySet<string>, changes: readonly (NodeChange | EdgeChange)[]): ReadonlySet<string> => {
  const told = changes.flatMap((one) => (one.type === "select" ? [one] : []));
  if (told.length === 0) return before;
  const now = new Set(before);
  for (const one of told) {
    if (one.selected) now.add(one.id);
    else now.delete(one.id);
  }
  return now;
};

/** The graph: nodes that are moved, edges that are drawn. */
export const Canvas = ({ selection, onSelect, onDropNode }: CanvasProps) => {
  const { doc, faults, isReadOnly, apply, select } = useEditorApi();
  const { screenToFlowPosition } = useReactFlow();
  const [cards, setCards] = useState<CardNode[]>(() => cardsOf(doc, [], faults, isReadOnly));
  const [seen, setSeen] = useState({ doc, faults, isReadOnly });
  if (seen.doc !== doc || seen.faults !== faults || seen.isReadOnly !== isReadOnly) {
    setSeen({ doc, faults, isReadOnly });
    setCards((before) => cardsOf(doc, before, faults, isReadOnly));
  }
  const shown = useMemo(
    () => cards.map((one) => (Boolean(one.selected) === selection.nodes.has(one.id) ? one : { ...one, selected: !one.selected })),
    [cards, selection.nodes],
  );
  const lines = useMemo(() => linesOf(doc, selection, (id) => select([], [id])), [doc, selection, select]);

  const changeNodes = (changes: NodeChange<CardNode>[]): void => {
    const next = selected(selection.nodes, changes);
    if (next !== selection.nodes) onSelect({ ...selection, nodes: next });
    const others = changes.filter((one) => one.type !== "select" && one.type !== "remove");
    if (others.length === 0) return;
    setCards((before) => applyNodeChanges(others, before));
    const put = others.flatMap((one) => (one.type === "position" && !one.dragging && one.position ? [one] : []));
    if (put.length === 0 || isReadOnly) return;
    const places = new Map(put.flatMap((one) => (one.position ? [[one.id, one.position] as const] : [])));
    apply(moved(doc, places), "move");
  };
  const changeEdges = (changes: EdgeChange<LineEdge>[]): void => {
    const next = selected(selection.edges, changes);
    if (next !== selection.edges) onSelect({ ...selection, edges: next });
  };
  const drop = (event: DragEvent): void => {
    const type = event.dataTransfer.getData(DRAGGED);
    if (!isNodeType(type) || isReadOnly) return;
    event.preventDefault();
    onDropNode(type, screenToFlowPosition({ x: event.clientX, y: event.clientY }));
  };
  return (
    <ReactFlow<CardNode, LineEdge>
      className={classes.flow}
      nodes={shown}
      edges={lines}
      nodeTypes={NODES}
      edgeTypes={EDGES}
      onNodesChange={changeNodes}
      onEdgesChange={changeEdges}
      onConnect={(told) => {
        const ends = endsOf({ ...told, sourceHandle: told.sourceHandle ?? null, targetHandle: told.targetHandle ?? null });
        if (ends) apply(connected(doc, ends.from, ends.to));
      }}
      isValidConnection={(told) => {
        const ends = endsOf({ ...told, sourceHandle: told.sourceHandle ?? null, targetHandle: told.targetHandle ?? null });
        return ends !== null && whyNot(doc, ends.from, ends.to) === null;
      }}
      onDragOver={(event) => {
        if (event.dataTransfer.types.includes(DRAGGED)) event.preventDefault();
      }}
      onDrop={drop}
      nodesDraggable={!isReadOnly}
      nodesConnectable={!isReadOnly}
      connectOnClick={!isReadOnly}
      deleteKeyCode={null}
      multiSelectionKeyCode={["Control", "Meta"]}
      minZoom={0.1}
      maxZoom={2}
      fitView
      fitViewOptions={{ maxZoom: 1, padding: 0.15 }}
      onlyRenderVisibleElements={false}
    >
      <Background gap={20} size={1.5} />
      <Controls showInteractive={false} />
      <MiniMap pannable zoomable ariaLabel="Map of the whole workflow" className={classes.map} />
      <Refusal />
    </ReactFlow>
  );
};

import "@xyflow/react/dist/base.css";
import {
  Background,
  Controls,
  type Edge,
  MarkerType,
  MiniMap,
  type NodeChange,
  type NodeHandle,
  Position,
  ReactFlow,
  type ReactFlowInstance,
} from "@xyflow/react";
import { useMemo } from "react";
import type { DocumentEdge, WorkflowRun } from "@/api/workflow-types";
import { stateMark } from "@/lib/states";
import { type FlowNode, GraphNode } from "./GraphNode";
import {
  edgeId,
  edgeLabel,
  type EdgeLook,
  edgeLooks,
  HANDLE_AT,
  inOrder,
  NODE_HEIGHT,
  NODE_WIDTH,
  nodeOf,
  placesOf,
} from "./graph";
import classes from "./graph.module.css";

interface RunGraphProps {
  run: WorkflowRun;
  shown: string | null;
  onChoose: (nodeId: string) => void;
}

const KINDS = { run: GraphNode };
const SIZE = { width: NODE_WIDTH, height: NODE_HEIGHT };
const HANDLES: NodeHandle[] = (["control", "data"] as const).flatMap((id) => {
  const y = NODE_HEIGHT * HANDLE_AT[id];
  return [
    { id, type: "target", position: Position.Left, x: 0, y, width: 1, height: 1 },
    { id, type: "source", position: Position.Right, x: NODE_WIDTH, y, width: 1, height: 1 },
  ];
});
/** From so many on only what is in sight is drawn, and a small map of all is there. */
const MANY = 120;
const WITH_MAP = 8;
const MAP = { width: 150, height: 104 };
const READABLE = 0.5;
const NEAR = 0.75;

/** The graph of a run: read, never changed. Loaded where it is looked at. */
const RunGraph = ({ run, shown, onChoose }: RunGraphProps) => {
  const { definition } = run;
  const places = useMemo(() => placesOf(definition), [definition]);
  const nodes = useMemo(() => {
    const states = new Map(run.nodes.map((one) => [one.node_id, one]));
    return definition.nodes.flatMap((step): FlowNode[] => {
      const node = states.get(step.id);
      if (!node) return [];
      const isShown = step.id === shown;
      return [
        {
          id: step.id,
          type: "run",
          position: places.get(step.id) ?? { x: 0, y: 0 },
          data: { step, node, isShown },
          width: NODE_WIDTH,
          height: NODE_HEIGHT,
          // Known beforehand, so that edges are drawn and everything fits before anything was measured.
          measured: SIZE,
          handles: HANDLES,
          selected: isShown,
          ariaRole: "button",
          domAttributes: { "aria-pressed": isShown, "aria-roledescription": undefined },
        },
      ];
    });
  }, [definition, run.nodes, places, shown]);
  const edges = useMemo(() => {
    const looks = edgeLooks({ definition, edges: run.edges, nodes: run.nodes });
    return definition.edges.map((one) => flowEdge(one, looks.get(edgeId(one)) ?? "open"));
  }, [definition, run.edges, run.nodes]);
  const changed = (changes: NodeChange<FlowNode>[]): void => {
    for (const one of changes) if (one.type === "select" && one.selected && one.id !== shown) onChoose(one.id);
  };
  /** All of it, where that can be read; else what is shown beside it, or where it begins. */
  const begin = (flow: ReactFlowInstance<FlowNode>): void => {
    void flow.fitView({ padding: 0.06, maxZoom: 1 }).then(() => {
      if (flow.getZoom() >= READABLE) return;
      const works = run.nodes.find((one) => one.state === "running")?.node_id;
      const place = places.get(shown ?? works ?? inOrder(definition)[0] ?? "") ?? { x: 0, y: 0 };
      void flow.setCenter(place.x + NODE_WIDTH / 2, place.y + NODE_HEIGHT / 2, { zoom: NEAR });
    });
  };
  return (
    <ReactFlow
      className={classes.flow}
      nodes={nodes}
      edges={edges}
      nodeTypes={KINDS}
      onNodesChange={changed}
      nodesDraggable={false}
      nodesConnectable={false}
      edgesFocusable={false}
      multiSelectionKeyCode={null}
      selectionKeyCode={null}
      deleteKeyCode={null}
      elementsSelectable
      onlyRenderVisibleElements={nodes.length > MANY}
      minZoom={0.1}
      maxZoom={1.6}
      onInit={begin}
      proOptions={{ hideAttribution: true }}
      aria-label="Graph of the run"
    >
      <Background gap={24} size={1} color="var(--wb-line)" />
      <Controls showInteractive={false} className={classes.controls} />
      {nodes.length > WITH_MAP && (
        <MiniMap
          className={classes.map}
          style={MAP}
          pannable
          zoomable
          ariaLabel="The whole graph, small"
          nodeColor={(one) => `var(--wb-${stateMark((one as FlowNode).data.node.state).tone}-bar)`}
          maskColor="color-mix(in srgb, var(--wb-page) 70%, transparent)"
          bgColor="var(--wb-panel)"
        />
      )}
    </ReactFlow>
  );
};

const COLOURS: Readonly<Record<EdgeLook, string>> = {
  taken: "var(--wb-live)",
  left: "var(--wb-line)",
  open: "var(--wb-idle-bar)",
  data: "var(--wb-line)",
  dataReady: "var(--wb-idle-bar)",
};
const SAID: Readonly<Record<EdgeLook, string>> = {
  taken: "taken",
  left: "not taken",
  open: "not decided yet",
  data: "data",
  dataReady: "data, ready",
};

const flowEdge = (edge: DocumentEdge, look: EdgeLook): Edge => {
  const isData = look === "data" || look === "dataReady";
  const handle = isData ? "data" : "control";
  return {
    id: edgeId(edge),
    source: nodeOf(edge.from),
    target: nodeOf(edge.to),
    sourceHandle: handle,
    targetHandle: handle,
    className: [classes.edge, classes[look]].join(" "),
    label: edgeLabel(edge) ?? undefined,
    ariaLabel: `${nodeOf(edge.from)} to ${nodeOf(edge.to)}: ${SAID[look]}`,
    markerEnd: isData
      ? undefined
      : { type: MarkerType.ArrowClosed, color: COLOURS[look], width: 18, height: 18, markerUnits: "userSpaceOnUse" },
    zIndex: look === "taken" ? 1 : 0,
    selectable: false,
  };
};

export default RunGraph;

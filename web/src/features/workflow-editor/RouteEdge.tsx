import { BaseEdge, type Edge, EdgeLabelRenderer, type EdgeProps, getBezierPath } from "@xyflow/react";
import { memo } from "react";
import { type PortKind, type WorkflowEdge } from "./document";
import classes from "./graph.module.css";
import { ROUTE_WORDS } from "./kinds";

export interface LineData extends Record<string, unknown> {
  edge: WorkflowEdge;
  kind: PortKind;
  fate?: "added" | "removed" | "changed" | "same";
  /** Select it, so that its panel opens; none where it is only shown. */
  onOpen?: () => void;
}

export type LineEdge = Edge<LineData, "line">;

/** What is written at an edge: when it is taken, where that is not simply “next”. */
export const labelOf = (edge: WorkflowEdge): string | null => {
  if (edge.from.endsWith(".true")) return "if true";
  if (edge.from.endsWith(".false")) return "if false";
  return edge.route_on === null ? null : ROUTE_WORDS[edge.route_on];
};

/** An edge by what it carries, with when it is taken. */
export const RouteEdge = memo((props: EdgeProps<LineEdge>) => {
  const { id, data, selected, markerEnd } = props;
  const [path, x, y] = getBezierPath(props);
  const label = data ? labelOf(data.edge) : null;
  const marks = { "data-kind": data?.kind, "data-route": data?.edge.route_on ?? undefined, "data-fate": data?.fate };
  return (
    <>
      <g className={classes.line} data-selected={selected} {...marks}>
        <BaseEdge id={id} path={path} markerEnd={markerEnd} interactionWidth={18} />
      </g>
      {label && (
        <EdgeLabelRenderer>
          <button
            type="button"
            tabIndex={-1}
            className={`nodrag nopan ${classes.route}`}
            data-selected={selected}
            {...marks}
            style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` }}
            onClick={data?.onOpen}
          >
            {label}
          </button>
        </EdgeLabelRenderer>
      )}
    </>
  );
});
RouteEdge.displayName = "RouteEdge";

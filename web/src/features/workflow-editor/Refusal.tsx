import { useConnection, useReactFlow } from "@xyflow/react";
import { endsOf, whyNot } from "./connect";
import { useEditorApi } from "./editor-context";
import classes from "./graph.module.css";

/** While an edge is drawn: what it carries, and over a port that does not take it, why not, at the pointer. */
export const Refusal = () => {
  const { doc } = useEditorApi();
  const { flowToScreenPosition } = useReactFlow();
  const drawn = useConnection();
  if (!drawn.inProgress || !drawn.toHandle || drawn.isValid) return null;
  const [out, into] =
    drawn.fromHandle.type === "source" ? [drawn.fromHandle, drawn.toHandle] : [drawn.toHandle, drawn.fromHandle];
  const ends = endsOf({ source: out.nodeId, sourceHandle: out.id, target: into.nodeId, targetHandle: into.id });
  const reason = ends && whyNot(doc, ends.from, ends.to);
  if (!reason) return null;
  const at = flowToScreenPosition(drawn.to);
  return (
    <div className={classes.refusal} role="alert" style={{ left: at.x, top: at.y }}>
      {reason}
    </div>
  );
};

import { Loader } from "@mantine/core";
import { lazy, Suspense } from "react";
import type { WorkflowRun } from "@/api/workflow-types";
import { EmptyState } from "@/ui/EmptyState";
import { GanttView } from "./GanttView";
import { NodeList } from "./NodeList";
import type { View } from "./run-view";
import classes from "./workflow-run.module.css";

const RunGraph = lazy(() => import("./RunGraph"));

interface RunViewsProps {
  run: WorkflowRun;
  view: View;
  shown: string | null;
  onChoose: (nodeId: string) => void;
}

/** The nodes of a run as a graph, on an axis of time, or one below the other. */
export const RunViews = ({ view, ...rest }: RunViewsProps) => {
  if (rest.run.definition.nodes.length === 0) return <EmptyState icon="workflow" title="The workflow has no nodes." />;
  if (view === "timeline") return <GanttView {...rest} />;
  if (view === "list") return <NodeList {...rest} />;
  return (
    <div className={classes.drawing}>
      <Suspense fallback={<Loader size="sm" m="md" aria-label="Loading the graph" />}>
        <RunGraph {...rest} />
      </Suspense>
    </div>
  );
};

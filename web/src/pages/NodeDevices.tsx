import { useInfiniteQuery } from "@tanstack/react-query";
import type { DeviceRow } from "@/api/runs";
import { nodeRowsQuery } from "@/api/workflow-runs";
import type { DocumentNode, RunNode, WorkflowRun } from "@/api/workflow-types";
import { OutputPane } from "@/features/output/OutputPane";
import { NodeRows } from "@/features/workflow-run/NodeRows";
import { NO_ROW, type RunViewState } from "@/features/workflow-run/run-view";
import type { LiveRun } from "@/features/workflow-run/use-live-run";

interface NodeDevicesProps {
  run: WorkflowRun;
  step: DocumentNode;
  node: RunNode;
  state: RunViewState;
  setState: (patch: Partial<RunViewState>) => void;
  live: LiveRun;
}

/** The devices of a node; of the chosen one what it wrote. */
export const NodeDevices = ({ run, step, node, state, setState, live }: NodeDevicesProps) => {
  const asked = { state: state.state, q: state.q };
  const rows = useInfiniteQuery(nodeRowsQuery(run.id, step.id, asked));
  const row = rows.data?.pages.flatMap((page) => page.items).find((one) => one.target_id === state.target);
  const open = (one: DeviceRow): void => setState({ ...NO_ROW, node: step.id, tab: "devices", target: one.target_id });
  if (row)
    return (
      <OutputPane
        row={row}
        label={null}
        components={[step.name || step.id]}
        execution={state.execution || null}
        stream={state.stream}
        onChoose={(choice) =>
          setState({
            ...(choice.execution ? { execution: choice.execution, stream: null } : {}),
            ...(choice.stream ? { stream: choice.stream } : {}),
          })
        }
        onClose={() => setState(NO_ROW)}
      />
    );
  return (
    <NodeRows
      runId={run.id}
      node={node}
      asked={asked}
      onAsk={(patch) => setState({ node: step.id, tab: "devices", ...patch })}
      onOpen={open}
      onHeld={live.hold}
      onShowNew={live.showNew}
    />
  );
};

import { Tabs } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { nodeQuery } from "@/api/workflow-runs";
import type { DocumentNode, RunNode, WorkflowRun } from "@/api/workflow-types";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { StateBadge } from "@/ui/StateBadge";
import { isBroken } from "./again";
import { NodeData } from "./NodeData";
import { NodeFacts } from "./NodeFacts";
import { NodeSets } from "./NodeSets";
import { type Tab, TABS, tabsOf } from "./run-view";
import { isOnDevices, nodeKind } from "./words";
import classes from "./workflow-run.module.css";

interface NodePanelProps {
  run: WorkflowRun;
  step: DocumentNode;
  node: RunNode;
  tab: Tab | null;
  port: string;
  onTab: (tab: Tab) => void;
  onPort: (port: string) => void;
  /** null: nobody chose it. */
  onClose: (() => void) | null;
  /** Run again from this node on; null where that cannot be. */
  onAgain: (() => void) | null;
  /** Its devices with their outputs. */
  devices: ReactNode;
}

const WORDS: Readonly<Record<Tab, string>> = { node: "Node", devices: "Devices", data: "Data", sets: "Sets" };

/** A node of a run: what it is, what became of it and why, what came in and what came out, and its devices. */
export const NodePanel = (props: NodePanelProps) => {
  const { run, step, node, onClose } = props;
  const detail = useQuery(nodeQuery(run.id, step.id));
  const tabs = tabsOf(step.type, node.sets);
  const usual: Tab = isOnDevices(step.type) && isBroken(node.state) && node.run_id !== null ? "devices" : "node";
  const tab = props.tab !== null && tabs.includes(props.tab) ? props.tab : usual;
  const kind = nodeKind(step.type);
  const name = step.name || step.id;
  return (
    <section className={`wb-panel ${classes.panel}`} aria-label={`Node: ${name}`}>
      <header className={classes.panelHead}>
        <div className={classes.panelTitle}>
          <Icon name={kind.icon} size={16} />
          <h2>{name}</h2>
          <StateBadge state={node.state} />
        </div>
        {onClose && <IconAction label="Close the node" icon="close" onClick={onClose} />}
      </header>
      <Tabs
        value={tab}
        onChange={(next) => props.onTab(TABS.find((one) => one === next) ?? "node")}
        className={classes.tabs}
        keepMounted={false}
      >
        <Tabs.List>
          {tabs.map((one) => (
            <Tabs.Tab key={one} value={one}>
              {WORDS[one]}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={tab} className={classes.tab} data-tab={tab}>
          {detail.error && <ProblemAlert problem={detail.error} onRetry={() => void detail.refetch()} />}
          {tab === "node" && <NodeFacts run={run} step={step} node={node} onAgain={props.onAgain} />}
          {tab === "devices" && props.devices}
          {tab === "data" && <NodeData node={node} detail={detail.data} />}
          {tab === "sets" && (
            <NodeSets runId={run.id} nodeId={step.id} sets={node.sets} port={props.port} onPort={props.onPort} />
          )}
        </Tabs.Panel>
      </Tabs>
    </section>
  );
};

/** The document of a workflow as the API takes it: kinds of nodes with their ports, nodes, edges. What the Engine's rules are, the Engine says. */

export const NODE_TYPES = [
  "trigger_manual",
  "trigger_job",
  "trigger_webhook",
  "devices_filter",
  "devices_list",
  "devices_site",
  "devices_combine",
  "devices_take",
  "split",
  "script",
  "playbook",
  "workflow",
  "condition",
  "wait",
  "approval",
  "http",
  "notify",
  "set_value",
  "join",
] as const;
export type NodeType = (typeof NODE_TYPES)[number];
export type PortKind = "control" | "devices" | "result" | "value";
export const ROUTES = ["success", "warning", "failed", "always"] as const;
export type RouteOn = (typeof ROUTES)[number];
export type Settings = Readonly<Record<string, unknown>>;
export type Side = "input" | "output";

/** One end of edges. An input with `isRequired` has an edge; one without `isMany` has one at most. */
export interface Port {
  name: string;
  kinds: readonly PortKind[];
  isRequired: boolean;
  isMany: boolean;
}

export interface Shape {
  inputs: readonly Port[];
  outputs: readonly Port[];
}

export interface WorkflowNode {
  id: string;
  type: NodeType;
  name: string;
  settings: Settings;
  x: number;
  y: number;
  time_limit_seconds: number | null;
  retries: number;
  retry_delay_seconds: number;
  on_error: "stop" | "continue";
}

/** `from` and `to` are written `node.port`. `route_on` only of control that leaves by the port `out`. */
export interface WorkflowEdge {
  from: string;
  to: string;
  route_on: RouteOn | null;
}

export interface WorkflowGraph {
  nodes: readonly WorkflowNode[];
  edges: readonly WorkflowEdge[];
}

export interface WorkflowDocument extends WorkflowGraph {
  schema: 1;
  max_parallel: number | null;
  time_limit_seconds: number;
  concurrency: "skip" | "queue_one" | "allow";
}

const port = (name: string, kinds: readonly PortKind[], more: Partial<Port> = {}): Port => ({
  name,
  kinds,
  isRequired: false,
  isMany: false,
  ...more,
});

const IN = port("in", ["control"], { isRequired: true, isMany: true });
const OUT = port("out", ["control"], { isMany: true });
const INPUTS = port("inputs", ["result", "value"], { isMany: true });
const needsDevices = (name: string): Port => port(name, ["devices"], { isRequired: true });
const givesDevices = (name: string): Port => port(name, ["devices"], { isMany: true });
const RESULT = port("result", ["result"], { isMany: true });
const TRIGGER: Shape = { inputs: [], outputs: [OUT] };
const DEVICE_SET: Shape = { inputs: [], outputs: [givesDevices("devices")] };
const ON_DEVICES: Shape = { inputs: [IN, needsDevices("devices"), INPUTS], outputs: [OUT, RESULT] };
const WITH_RESULT: Shape = { inputs: [IN, INPUTS], outputs: [OUT, RESULT] };

/** The ports of each kind of node, as the Engine has them. */
export const SHAPES: Readonly<Record<NodeType, Shape>> = {
  trigger_manual: TRIGGER,
  trigger_job: TRIGGER,
  trigger_webhook: TRIGGER,
  devices_filter: DEVICE_SET,
  devices_list: DEVICE_SET,
  devices_site: DEVICE_SET,
  devices_combine: { inputs: [needsDevices("a"), needsDevices("b")], outputs: [givesDevices("devices")] },
  devices_take: { inputs: [needsDevices("devices")], outputs: [givesDevices("devices"), givesDevices("rest")] },
  split: {
    inputs: [port("result", ["result"], { isRequired: true })],
    outputs: ["succeeded", "warning", "failed", "offline", "changed"].map(givesDevices),
  },
  script: ON_DEVICES,
  playbook: ON_DEVICES,
  workflow: WITH_RESULT,
  condition: {
    inputs: [IN, INPUTS],
    outputs: [port("true", ["control"], { isMany: true }), port("false", ["control"], { isMany: true })],
  },
  wait: { inputs: [IN, port("devices", ["devices"])], outputs: [OUT] },
  approval: WITH_RESULT,
  http: WITH_RESULT,
  notify: { inputs: [IN, INPUTS], outputs: [OUT] },
  set_value: { inputs: [IN, INPUTS], outputs: [OUT, port("value", ["value"], { isMany: true })] },
  join: { inputs: [IN], outputs: [OUT] },
};

export const nodeOf = (end: string): string => end.slice(0, end.lastIndexOf("."));
export const portOf = (end: string): string => end.slice(end.lastIndexOf(".") + 1);
export const endOf = (node: string, portName: string): string => `${node}.${portName}`;
export const edgeId = (edge: Pick<WorkflowEdge, "from" | "to">): string => `${edge.from} ${edge.to}`;

export const portAt = (graph: WorkflowGraph, end: string, side: Side): Port | null => {
  const node = graph.nodes.find((one) => one.id === nodeOf(end));
  const ports = node && (side === "input" ? SHAPES[node.type].inputs : SHAPES[node.type].outputs);
  return ports?.find((one) => one.name === portOf(end)) ?? null;
};

/** Only control that leaves by `out` says when it is taken. */
export const hasRoute = (end: string): boolean => portOf(end) === "out";

/** What an edge carries; of an end that is not there, control. */
export const kindOf = (graph: WorkflowGraph, edge: Pick<WorkflowEdge, "from">): PortKind =>
  portAt(graph, edge.from, "output")?.kinds[0] ?? "control";

export const isTrigger = (type: NodeType): boolean => type.startsWith("trigger_");
/** Whether it is a step that may fail, take long, and be tried again. */
export const isStep = (type: NodeType): boolean => !isTrigger(type) && SHAPES[type].inputs.some((one) => one.name === "in");
export const isNodeType = (text: unknown): text is NodeType => NODE_TYPES.some((one) => one === text);

export const emptyWorkflow = (): WorkflowDocument => ({
  schema: 1,
  max_parallel: null,
  time_limit_seconds: 604_800,
  concurrency: "skip",
  nodes: [],
  edges: [],
});

/** What the settings of a new node say; what must be chosen by a person is empty. */
export const FIRST_SETTINGS: Readonly<Record<NodeType, Settings>> = {
  trigger_manual: {},
  trigger_job: {},
  trigger_webhook: { payload: [] },
  devices_filter: { filter_id: null },
  devices_list: { device_ids: [] },
  devices_site: { site_id: null },
  devices_combine: { operation: "union" },
  devices_take: { percent: 10, order: "name" },
  split: {},
  script: { assembly_id: null, revision: "latest", variables: {}, execution_context: "system" },
  playbook: { assembly_id: null, revision: "latest", variables: {}, execution_context: "ssh_individual" },
  workflow: { assembly_id: null, revision: "latest", parameters: {} },
  condition: { expression: "" },
  wait: { for: "duration", seconds: 600 },
  approval: { message: "", timeout_seconds: 86_400 },
  http: { method: "GET", url: "", headers: {}, body: null, timeout_seconds: 30, expect: null, interrupted: "lost" },
  notify: { channel_id: null, subject: "", message: "" },
  set_value: { expression: "" },
  join: { mode: "all", n: null },
};

const LONGEST_ID = 40;

/** A name as an id: lower case, with underscores, unlike all that are taken. */
export const freshId = (name: string, taken: Iterable<string>): string => {
  const all = new Set(taken);
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^[^a-z]+|_+$/g, "");
  const wanted = plain.slice(0, LONGEST_ID).replace(/_+$/, "") || "node";
  if (!all.has(wanted)) return wanted;
  const stem = wanted.replace(/_\d+$/, "");
  for (let number = 2; ; number += 1) {
    const end = `_${number}`;
    const tried = `${stem.slice(0, LONGEST_ID - end.length)}${end}`;
    if (!all.has(tried)) return tried;
  }
};

export const isId = (text: string): boolean => /^[a-z][a-z0-9_]{0,39}$/.test(text);

export const newNode = (
  type: NodeType,
  name: string,
  place: { x: number; y: number },
  taken: Iterable<string>,
): WorkflowNode => ({
  id: freshId(name, taken),
  type,
  name,
  settings: FIRST_SETTINGS[type],
  x: Math.round(place.x),
  y: Math.round(place.y),
  time_limit_seconds: null,
  retries: 0,
  retry_delay_seconds: 60,
  on_error: "stop",
});

import { TARGET_STATES } from "@/api/runs";
import type { WorkflowRun } from "@/api/workflow-types";
import { STREAMS } from "@/lib/output-stream";
import { oneOf, someOf, text, type Values, wholeNumber } from "@/lib/search-params";
import { inOrder } from "./graph";
import { isOnDevices } from "./words";

export const VIEWS = ["graph", "timeline", "list"] as const;
export type View = (typeof VIEWS)[number];
export const TABS = ["node", "devices", "data", "sets"] as const;
export type Tab = (typeof TABS)[number];

/** The state of the page of a run in its address. */
export const RUN_VIEW = {
  view: oneOf(VIEWS),
  node: text(),
  tab: oneOf(TABS),
  /** Of the devices of the node. */
  q: text(),
  state: someOf(TARGET_STATES),
  target: wholeNumber(),
  execution: text(),
  stream: oneOf(STREAMS),
  port: text(),
};
export type RunViewState = Values<typeof RUN_VIEW>;

export const NO_ROW = { target: null, execution: "", stream: null } satisfies Partial<RunViewState>;
export const NO_NODE = { node: "", tab: null, q: "", state: [], port: "", ...NO_ROW } satisfies Partial<RunViewState>;

const FIRST: readonly string[] = ["awaiting_approval", "failed", "timed_out", "lost"];

/** The node to show: the chosen one; else what a person is asked for; else the first that failed. */
export const shownNode = (run: WorkflowRun, chosen: string): string | null => {
  const states = new Map(run.nodes.map((one) => [one.node_id, one.state]));
  if (states.has(chosen)) return chosen;
  const order = inOrder(run.definition);
  for (const state of FIRST) {
    const found = order.find((id) => states.get(id) === state);
    if (found !== undefined) return found;
  }
  return null;
};

/** Which parts the panel of a node has. */
export const tabsOf = (type: string, sets: Readonly<Record<string, number>>): Tab[] => [
  "node",
  ...(isOnDevices(type) ? (["devices"] as const) : []),
  ...(type.startsWith("devices_") || type.startsWith("trigger_") || type === "split" ? [] : (["data"] as const)),
  ...(Object.keys(sets).length > 0 ? (["sets"] as const) : []),
];

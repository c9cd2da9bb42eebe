import type { Fragment } from "./edit";
import { isRecord, readEdge, readNode } from "./read-document";

/** Nodes on the clipboard: JSON, so that they go from one tab to another, and into a message to somebody. */

const MARK = "watchbill-workflow-nodes";

export const toClipboard = (fragment: Fragment): string => JSON.stringify({ [MARK]: 1, ...fragment }, null, 2);

/** Null for whatever else is on the clipboard. */
export const fromClipboard = (text: string): Fragment | null => {
  if (!text.includes(MARK)) return null;
  try {
    const value: unknown = JSON.parse(text);
    if (!isRecord(value) || !Array.isArray(value["nodes"])) return null;
    const nodes = value["nodes"].flatMap((one: unknown) => readNode(one) ?? []);
    const edges = Array.isArray(value["edges"]) ? value["edges"].flatMap((one: unknown) => readEdge(one) ?? []) : [];
    return nodes.length > 0 ? { nodes, edges } : null;
  } catch {
    return null;
  }
};

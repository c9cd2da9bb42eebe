import { emptyWorkflow, isNodeType, ROUTES, type WorkflowDocument, type WorkflowEdge, type WorkflowNode } from "./document";

/** A document that came from elsewhere: an assembly, a text that somebody wrote, the clipboard. */

type Loose = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is Loose => typeof value === "object" && value !== null && !Array.isArray(value);

const wholeOr = (value: unknown, usual: number): number => (typeof value === "number" ? Math.round(value) : usual);

/** A node with all that it lacks filled in; null for what is none. */
export const readNode = (value: unknown): WorkflowNode | null => {
  if (!isRecord(value) || typeof value["id"] !== "string" || !isNodeType(value["type"])) return null;
  const { id, type, name, settings, time_limit_seconds: limit } = value;
  return {
    id,
    type,
    name: typeof name === "string" ? name : id,
    settings: isRecord(settings) ? settings : {},
    x: wholeOr(value["x"], 0),
    y: wholeOr(value["y"], 0),
    time_limit_seconds: typeof limit === "number" ? limit : null,
    retries: wholeOr(value["retries"], 0),
    retry_delay_seconds: wholeOr(value["retry_delay_seconds"], 60),
    on_error: value["on_error"] === "continue" ? "continue" : "stop",
  };
};

export const readEdge = (value: unknown): WorkflowEdge | null => {
  if (!isRecord(value) || typeof value["from"] !== "string" || typeof value["to"] !== "string") return null;
  return { from: value["from"], to: value["to"], route_on: ROUTES.find((one) => one === value["route_on"]) ?? null };
};

/** What the API gave. What cannot be drawn is left out; it never is in what was saved. */
export const readWorkflow = (value: unknown): WorkflowDocument => {
  const empty = emptyWorkflow();
  if (!isRecord(value)) return empty;
  const { max_parallel: most, concurrency } = value;
  return {
    schema: 1,
    max_parallel: typeof most === "number" ? most : null,
    time_limit_seconds: wholeOr(value["time_limit_seconds"], empty.time_limit_seconds),
    concurrency: concurrency === "queue_one" || concurrency === "allow" ? concurrency : "skip",
    nodes: listOf(value["nodes"], readNode),
    edges: listOf(value["edges"], readEdge),
  };
};

const listOf = <T>(value: unknown, read: (one: unknown) => T | null): T[] =>
  Array.isArray(value) ? value.flatMap((one: unknown) => read(one) ?? []) : [];

/** A text that somebody wrote: the document, or what is wrong with it in words. */
export const parseText = (text: string): WorkflowDocument | string => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `This is no JSON: ${error instanceof Error ? error.message : "it cannot be read"}.`;
  }
  if (!isRecord(value) || !Array.isArray(value["nodes"]) || !Array.isArray(value["edges"]))
    return "A workflow is an object with the lists “nodes” and “edges”.";
  return wrongNode(value["nodes"]) ?? wrongEdge(value["edges"]) ?? readWorkflow(value);
};

const wrongNode = (nodes: readonly unknown[]): string | null => {
  const place = nodes.findIndex((one) => readNode(one) === null);
  if (place >= 0) return `nodes.${place}: a node has an “id” and a “type” that there is.`;
  const ids = nodes.map((one) => readNode(one)?.id);
  const twice = ids.findIndex((id, at) => ids.indexOf(id) !== at);
  return twice < 0 ? null : `nodes.${twice}: there is another node with the id “${ids[twice] ?? ""}”.`;
};

const wrongEdge = (edges: readonly unknown[]): string | null => {
  const place = edges.findIndex((one) => readEdge(one) === null);
  return place < 0 ? null : `edges.${place}: an edge has “from” and “to”, each written node.port.`;
};

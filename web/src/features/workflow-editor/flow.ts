import { MarkerType } from "@xyflow/react";
import { edgeId, kindOf, nodeOf, portOf, SHAPES, type WorkflowDocument } from "./document";
import type { Fault } from "./editor-context";
import type { CardNode } from "./NodeCard";
import type { LineEdge } from "./RouteEdge";

/** The document as React Flow draws it. */

export interface Selection {
  nodes: ReadonlySet<string>;
  edges: ReadonlySet<string>;
}

export const NOTHING: Selection = { nodes: new Set(), edges: new Set() };

const lackingOf = (doc: WorkflowDocument): ReadonlyMap<string, string[]> => {
  const taken = new Set(doc.edges.map((one) => one.to));
  return new Map(
    doc.nodes.map((node) => [
      node.id,
      SHAPES[node.type].inputs.filter((one) => one.isRequired && !taken.has(`${node.id}.${one.name}`)).map((one) => one.name),
    ]),
  );
};

/** `before`: what React Flow has measured of them stays. */
export const cardsOf = (
  doc: WorkflowDocument,
  before: readonly CardNode[],
  faults: readonly Fault[],
  isReadOnly: boolean,
): CardNode[] => {
  const old = new Map(before.map((one) => [one.id, one]));
  const lacking = lackingOf(doc);
  return doc.nodes.map((node): CardNode => {
    const was = old.get(node.id);
    const said = faults.filter((one) => one.node === node.id).map((one) => one.message);
    const lacks = lacking.get(node.id) ?? [];
    const isSame = was?.data.node === node && isEqual(was.data.faults, said) && isEqual(was.data.lacking, lacks);
    const position = { x: node.x, y: node.y };
    if (was && isSame && was.position.x === node.x && was.position.y === node.y && was.data.isReadOnly === isReadOnly) return was;
    return {
      ...was,
      id: node.id,
      type: "card",
      position,
      ariaLabel: `${node.name}${said.length > 0 ? `: ${said.join(" ")}` : ""}`,
      data: { node, faults: said, lacking: lacks, isReadOnly },
    };
  });
};

const isEqual = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((text, at) => text === other[at]);

export const linesOf = (doc: WorkflowDocument, selection: Selection, onOpen: (id: string) => void): LineEdge[] =>
  doc.edges.map((edge) => {
    const id = edgeId(edge);
    const kind = kindOf(doc, edge);
    return {
      id,
      type: "line",
      source: nodeOf(edge.from),
      sourceHandle: portOf(edge.from),
      target: nodeOf(edge.to),
      targetHandle: portOf(edge.to),
      selected: selection.edges.has(id),
      ariaLabel: `Edge from ${edge.from} to ${edge.to}`,
      data: { edge, kind, onOpen: () => onOpen(id) },
      markerEnd:
        kind === "control" ? { type: MarkerType.ArrowClosed, width: 16, height: 16, color: "context-stroke" } : undefined,
    };
  });

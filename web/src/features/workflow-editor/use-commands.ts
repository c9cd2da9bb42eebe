import { useReactFlow } from "@xyflow/react";
import { type RefObject, useEffect, useRef } from "react";
import { fromClipboard, toClipboard } from "./clipboard";
import { freshId, newNode, type NodeType, type WorkflowDocument } from "./document";
import { fragmentOf, moved, pasted, type Place, without, withNode } from "./edit";
import type { Selection } from "./flow";
import { kindOfType } from "./kinds";
import { freePlace, heightOf, layout, NODE_WIDTH } from "./layout";

interface Commanded {
  doc: WorkflowDocument;
  isReadOnly: boolean;
  selection: Selection;
  apply: (next: WorkflowDocument, kind?: string) => void;
  select: (nodes: readonly string[], edges?: readonly string[]) => void;
}

/** What toolbar, palette and keys do. */
export const useCommands = ({ doc, isReadOnly, selection, apply, select }: Commanded, frame: RefObject<HTMLElement | null>) => {
  const flow = useReactFlow();
  const middle = (): Place => {
    const box = frame.current?.getBoundingClientRect();
    if (!box) return { x: 0, y: 0 };
    const at = flow.screenToFlowPosition({ x: box.x + box.width / 2, y: box.y + box.height / 2 });
    return { x: at.x - NODE_WIDTH / 2, y: at.y - 50 };
  };
  const add = (type: NodeType, wish?: Place): void => {
    if (isReadOnly) return;
    const [id] = selection.nodes;
    const beside = doc.nodes.find((one) => one.id === id);
    const near = beside ? { x: beside.x + NODE_WIDTH + 96, y: beside.y } : middle();
    const place = wish ? { x: wish.x - NODE_WIDTH / 2, y: wish.y - 24 } : freePlace(doc.nodes, near);
    const { label } = kindOfType(type);
    const taken = doc.nodes.map((one) => one.id);
    const node = newNode(type, type === "trigger_manual" ? "Start" : label, place, taken);
    apply(withNode(doc, node));
    select([node.id]);
    show(place, type);
  };
  /** Moves the view where a new node would be out of it. */
  const show = (place: Place, type: NodeType): void => {
    const box = frame.current?.getBoundingClientRect();
    if (!box) return;
    const from = flow.flowToScreenPosition(place);
    const to = flow.flowToScreenPosition({ x: place.x + NODE_WIDTH, y: place.y + heightOf({ type }) });
    if (from.x >= box.left && from.y >= box.top && to.x <= box.right && to.y <= box.bottom) return;
    void flow.setCenter(place.x + NODE_WIDTH / 2, place.y + 50, { zoom: flow.getZoom() });
  };
  return {
    add,
    remove: () => {
      if (isReadOnly || selection.nodes.size + selection.edges.size === 0) return;
      apply(without(doc, selection.nodes, selection.edges));
      select([]);
    },
    arrange: () => {
      apply(moved(doc, layout(doc)));
      // Once the nodes are drawn where they go.
      setTimeout(() => void flow.fitView({ maxZoom: 1, padding: 0.15 }), 60);
    },
    fit: () => void flow.fitView({ maxZoom: 1, padding: 0.15 }),
    selectAll: () => select(doc.nodes.map((one) => one.id)),
    goTo: (id: string) => {
      const node = doc.nodes.find((one) => one.id === id);
      if (!node) return;
      select([id]);
      void flow.setCenter(node.x + NODE_WIDTH / 2, node.y + heightOf(node) / 2, { zoom: Math.max(0.8, flow.getZoom()) });
    },
    copied: (): string | null => (selection.nodes.size > 0 ? toClipboard(fragmentOf(doc, selection.nodes)) : null),
    paste: (text: string): boolean => {
      const fragment = isReadOnly ? null : fromClipboard(text);
      if (!fragment) return false;
      const { doc: next, ids } = pasted(doc, fragment, freshId);
      apply(next);
      select(ids);
      return true;
    },
  };
};

export type Commands = ReturnType<typeof useCommands>;

const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || ["INPUT", "TEXTAREA", "SELECT"].includes(target.tagName));

/** Whether a key is for the graph: nobody types, no dialog is open, and the focus is here or nowhere. */
const isOurs = (root: HTMLElement | null): boolean => {
  const focus = document.activeElement;
  if (!root || isTyping(focus) || document.querySelector("[role=dialog]")) return false;
  return focus === null || focus === document.body || root.contains(focus);
};

/** Copy, cut and paste of the page, while the focus is in the editor and not in a field of it. */
export const useClipboard = (root: RefObject<HTMLElement | null>, commands: Commands): void => {
  const current = useRef(commands);
  useEffect(() => {
    current.current = commands;
  });
  useEffect(() => {
    const copy = (event: ClipboardEvent): void => {
      const text = isOurs(root.current) && !getSelection()?.toString() ? current.current.copied() : null;
      if (text === null) return;
      event.clipboardData?.setData("text/plain", text);
      event.preventDefault();
      if (event.type === "cut") current.current.remove();
    };
    const paste = (event: ClipboardEvent): void => {
      if (isOurs(root.current) && current.current.paste(event.clipboardData?.getData("text/plain") ?? "")) event.preventDefault();
    };
    document.addEventListener("copy", copy);
    document.addEventListener("cut", copy);
    document.addEventListener("paste", paste);
    return () => {
      document.removeEventListener("copy", copy);
      document.removeEventListener("cut", copy);
      document.removeEventListener("paste", paste);
    };
  }, [root]);
};

interface Keyed extends Commands {
  undo: () => void;
  redo: () => void;
  clear: () => void;
  openPanel: (nodeId: string) => void;
}

/** The keys of the graph. Those of React Flow stay: Tab to the next node, Space selects it, arrows move it. */
export const useGraphKeys = (root: RefObject<HTMLElement | null>, keyed: Keyed): void => {
  const current = useRef(keyed);
  useEffect(() => {
    current.current = keyed;
  });
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || !isOurs(root.current)) return;
      const does = whatFor(event, current.current);
      if (!does) return;
      event.preventDefault();
      does();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, [root]);
};

const whatFor = (event: KeyboardEvent, keyed: Keyed): (() => void) | null => {
  const isCommand = (event.ctrlKey || event.metaKey) && !event.altKey;
  const pressed = event.key.toLowerCase();
  if (isCommand && pressed === "z") return event.shiftKey ? keyed.redo : keyed.undo;
  if (isCommand && pressed === "y") return keyed.redo;
  if (isCommand && pressed === "a") return keyed.selectAll;
  if (isCommand || event.altKey) return null;
  if (pressed === "delete" || pressed === "backspace") return keyed.remove;
  if (pressed === "escape") return keyed.clear;
  const node = event.target instanceof HTMLElement ? event.target.closest<HTMLElement>(".react-flow__node") : null;
  const id = node?.dataset["id"];
  return pressed === "enter" && id && event.target === node ? () => keyed.openPanel(id) : null;
};

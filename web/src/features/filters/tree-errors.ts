import type { Group, TreeNode } from "./tree";

/** Which node of the tree a refusal is about: the API names places such as `criteria.all.2.value.name`. */

export interface Wrong {
  field: string;
  message: string;
}

export interface Placed {
  /** Below the node: `field`, `operator`, `value`, `value.name`; "" = the node itself. */
  part: string;
  message: string;
}

interface Found {
  id: number;
  /** Without and with the `not` around it. */
  outer: string;
  inner: string;
}

const placesOf = (node: TreeNode, outer: string): Found[] => {
  const inner = node.isNegated ? `${outer}.not` : outer;
  const here = { id: node.id, outer, inner };
  if (node.type === "criterion") return [here];
  return [here, ...node.nodes.flatMap((one, place) => placesOf(one, `${inner}.${node.mode}.${place}`))];
};

const isBelow = (path: string, base: string): boolean => path === base || path.startsWith(`${base}.`);

/** Node id → what is wrong there. What is about no node (the name, the sites) is in `rest`. */
export const placeErrors = (root: Group, errors: readonly Wrong[]): { placed: Map<number, Placed[]>; rest: Wrong[] } => {
  const places = placesOf(root, "criteria");
  const placed = new Map<number, Placed[]>();
  const rest: Wrong[] = [];
  for (const wrong of errors) {
    // Of all nodes that hold the place the last one is the innermost.
    const found = places.findLast((one) => isBelow(wrong.field, one.inner) || isBelow(wrong.field, one.outer));
    if (!found) {
      rest.push(wrong);
      continue;
    }
    const base = isBelow(wrong.field, found.inner) ? found.inner : found.outer;
    const told = { part: wrong.field.slice(base.length + 1), message: wrong.message };
    placed.set(found.id, [...(placed.get(found.id) ?? []), told]);
  }
  return { placed, rest };
};

/** What is wrong with one part of a node, as one text; null where nothing is. */
export const wrongAt = (wrong: readonly Placed[] | undefined, part: string): string | null => {
  const found = (wrong ?? []).filter((one) => one.part === part || one.part.startsWith(`${part}.`));
  return found.length ? found.map((one) => one.message).join("; ") : null;
};

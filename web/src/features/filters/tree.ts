/**
 * The criteria of a filter while they are edited: groups within groups, each node with an id of its own, so that rows keep their
 * place and focus. Every change gives a new tree and leaves the old one as it was. What criteria mean is known to the Engine alone.
 */

export interface SoftwareDraft {
  name: string;
  name_operator: string;
  version_operator: string;
  version: string;
  source: string;
}

/** One question. Of `text`, `list` and `software` only what its field and operator ask for counts. */
export interface Criterion {
  type: "criterion";
  id: number;
  isNegated: boolean;
  field: string;
  operator: string;
  text: string;
  list: readonly string[];
  software: SoftwareDraft;
}

export type GroupMode = "all" | "any";

export interface Group {
  type: "group";
  id: number;
  isNegated: boolean;
  mode: GroupMode;
  nodes: readonly TreeNode[];
}

export type TreeNode = Criterion | Group;

export const NO_SOFTWARE: SoftwareDraft = { name: "", name_operator: "equals", version_operator: "", version: "", source: "" };

let lastId = 0;
const nextId = (): number => (lastId += 1);

export const createCriterion = (more: Partial<Omit<Criterion, "type" | "id">> = {}): Criterion => ({
  type: "criterion",
  id: nextId(),
  isNegated: false,
  field: "",
  operator: "",
  text: "",
  list: [],
  software: NO_SOFTWARE,
  ...more,
});

export const createGroup = (nodes: readonly TreeNode[], more: Partial<Pick<Group, "mode" | "isNegated">> = {}): Group => ({
  type: "group",
  id: nextId(),
  isNegated: false,
  mode: "all",
  nodes,
  ...more,
});

/** What a new filter begins with: one question that is not asked yet. */
export const emptyTree = (): Group => createGroup([createCriterion()]);

/** The tree with what `change` makes of one node; undefined takes the node away, several stand in its place. */
const withNode = (node: TreeNode, id: number, change: (node: TreeNode) => readonly TreeNode[]): readonly TreeNode[] => {
  if (node.id === id) return change(node);
  if (node.type === "criterion") return [node];
  const nodes = node.nodes.flatMap((one) => withNode(one, id, change));
  const isSame = nodes.length === node.nodes.length && nodes.every((one, place) => one === node.nodes[place]);
  return [isSame ? node : { ...node, nodes }];
};

/** The root stays: nothing stands in its place but a changed group. */
const changed = (root: Group, id: number, change: (node: TreeNode) => readonly TreeNode[]): Group => {
  const [only, ...others] = withNode(root, id, change);
  return only?.type === "group" && others.length === 0 ? only : root;
};

export const updateCriterion = (root: Group, id: number, patch: Partial<Omit<Criterion, "type" | "id">>): Group =>
  changed(root, id, (node) => [node.type === "criterion" ? { ...node, ...patch } : node]);

export const setMode = (root: Group, id: number, mode: GroupMode): Group =>
  changed(root, id, (node) => [node.type === "group" ? { ...node, mode } : node]);

export const toggleNegated = (root: Group, id: number): Group =>
  changed(root, id, (node) => [{ ...node, isNegated: !node.isNegated }]);

/** A further node at the end of a group. */
export const addNode = (root: Group, groupId: number, added: TreeNode): Group =>
  changed(root, groupId, (node) => [node.type === "group" ? { ...node, nodes: [...node.nodes, added] } : node]);

/** Without the node, and without groups that are empty then; the root keeps an empty question instead. */
export const removeNode = (root: Group, id: number): Group => {
  if (root.id === id) return root;
  const left = pruned(changed(root, id, () => []));
  return left ?? { ...root, nodes: [createCriterion()] };
};

const pruned = (group: Group): Group | null => {
  const nodes = group.nodes.flatMap((one) => (one.type === "group" ? (pruned(one) ?? []) : one));
  if (nodes.length === 0) return null;
  return nodes.length === group.nodes.length && nodes.every((one, place) => one === group.nodes[place])
    ? group
    : { ...group, nodes };
};

/** A group of its own around a node, to which more can be added. */
export const wrapNode = (root: Group, id: number): Group =>
  root.id === id ? root : changed(root, id, (node) => [createGroup([node], { mode: "any" })]);

/** The nodes of a group in its place. Not of one that is turned round: that would mean something else. */
export const canDissolve = (root: Group, group: Group): boolean => group.id !== root.id && !group.isNegated;

export const dissolveGroup = (root: Group, id: number): Group =>
  changed(root, id, (node) => (node.type === "group" && canDissolve(root, node) ? node.nodes : [node]));

/** One place further up or down within its group. */
export const moveNode = (root: Group, id: number, step: 1 | -1): Group => {
  const parent = parentOf(root, id);
  if (!parent) return root;
  const place = parent.nodes.findIndex((one) => one.id === id);
  const other = parent.nodes[place + step];
  const node = parent.nodes[place];
  if (!other || !node) return root;
  const nodes = parent.nodes.map((one) => (one === node ? other : one === other ? node : one));
  return changed(root, parent.id, () => [{ ...parent, nodes }]);
};

export const parentOf = (root: Group, id: number): Group | null => {
  for (const node of root.nodes) {
    if (node.id === id) return root;
    const found = node.type === "group" ? parentOf(node, id) : null;
    if (found) return found;
  }
  return null;
};

export const criteriaOf = (node: TreeNode): Criterion[] => (node.type === "criterion" ? [node] : node.nodes.flatMap(criteriaOf));

import { expect, it } from "vitest";
import {
  addNode,
  canDissolve,
  createCriterion,
  createGroup,
  criteriaOf,
  dissolveGroup,
  type Group,
  moveNode,
  parentOf,
  removeNode,
  setMode,
  toggleNegated,
  type TreeNode,
  updateCriterion,
  wrapNode,
} from "./tree";

const ask = (text: string) => createCriterion({ field: "hostname", operator: "equals", text });

/** `all(a, any(b, c))` as one line, for reading a test at a glance. */
const shown = (node: TreeNode): string => {
  const inner = node.type === "criterion" ? node.text || "?" : `${node.mode}(${node.nodes.map(shown).join(", ")})`;
  return node.isNegated ? `not ${inner}` : inner;
};

const scene = () => {
  const [a, b, c] = [ask("a"), ask("b"), ask("c")] as const;
  const inner = createGroup([b, c], { mode: "any" });
  return { a, b, c, inner, root: createGroup([a, inner]) };
};

it("adds, changes and turns round without touching the tree of before", () => {
  const { root, a, inner } = scene();
  const before = shown(root);
  expect(shown(addNode(root, inner.id, ask("d")))).toBe("all(a, any(b, c, d))");
  expect(shown(updateCriterion(root, a.id, { text: "z" }))).toBe("all(z, any(b, c))");
  expect(shown(toggleNegated(root, inner.id))).toBe("all(a, not any(b, c))");
  expect(shown(setMode(root, root.id, "any"))).toBe("any(a, any(b, c))");
  expect(shown(root)).toBe(before);
});

it("leaves what is not changed as the very same node, so that its row is not drawn again", () => {
  const { root, a, inner } = scene();
  expect(updateCriterion(root, a.id, { text: "z" }).nodes[1]).toBe(inner);
  expect(updateCriterion(root, 0, { text: "z" })).toBe(root);
});

it("takes emptied groups away with their last node, and keeps one question in the root", () => {
  const { root, a, b, c, inner } = scene();
  const without = removeNode(removeNode(root, b.id), c.id);
  expect(shown(without)).toBe("all(a)");
  expect(shown(removeNode(root, inner.id))).toBe("all(a)");
  expect(shown(removeNode(without, a.id))).toBe("all(?)");
  expect(removeNode(root, root.id)).toBe(root);
});

it("wraps a node in a group and dissolves it again", () => {
  const { root, a, inner } = scene();
  const wrapped = wrapNode(root, a.id);
  expect(shown(wrapped)).toBe("all(any(a), any(b, c))");
  const group = wrapped.nodes[0] as Group;
  expect(shown(dissolveGroup(wrapped, group.id))).toBe("all(a, any(b, c))");
  expect(shown(dissolveGroup(root, inner.id))).toBe("all(a, b, c)");
});

it("does not dissolve the root, nor what is turned round", () => {
  const { root, inner } = scene();
  expect(canDissolve(root, root)).toBe(false);
  const negated = toggleNegated(root, inner.id);
  expect(shown(dissolveGroup(negated, inner.id))).toBe("all(a, not any(b, c))");
  expect(dissolveGroup(root, root.id)).toBe(root);
});

it("moves a node within its group, and no further than its ends", () => {
  const { root, a, c } = scene();
  expect(shown(moveNode(root, a.id, 1))).toBe("all(any(b, c), a)");
  expect(shown(moveNode(root, c.id, -1))).toBe("all(a, any(c, b))");
  expect(moveNode(root, a.id, -1)).toBe(root);
  expect(moveNode(root, root.id, 1)).toBe(root);
});

it("finds parents and all questions", () => {
  const { root, a, b, inner } = scene();
  expect([parentOf(root, b.id), parentOf(root, a.id), parentOf(root, root.id)]).toEqual([inner, root, null]);
  expect(criteriaOf(root).map((one) => one.text)).toEqual(["a", "b", "c"]);
});

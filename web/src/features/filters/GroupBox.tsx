import { Button, SegmentedControl } from "@mantine/core";
import { Icon } from "@/ui/icons";
import { CriterionRow } from "./CriterionRow";
import classes from "./filters.module.css";
import { NodeTools } from "./NodeTools";
import { addNode, createCriterion, createGroup, type Group, setMode, type TreeNode } from "./tree";
import type { TreeContext } from "./tree-context";

interface GroupBoxProps {
  group: Group;
  /** Its place in the whole: `""` for the outermost, `2.1` within. */
  place: string;
  tree: TreeContext;
}

const MODES = [
  { value: "all", label: "all of these" },
  { value: "any", label: "any of these" },
];

/** A group: how its nodes come together, and the nodes, which may be groups again. */
export const GroupBox = ({ group, place, tree }: GroupBoxProps) => {
  const { root, isReadOnly, onChange } = tree;
  const name = place ? `group ${place}` : "the whole filter";
  const wrong = tree.wrong.get(group.id) ?? [];
  const add = (node: TreeNode, fresh: number): void => onChange(addNode(root, group.id, node), fresh);
  const addCriterion = (): void => {
    const node = createCriterion();
    add(node, node.id);
  };
  const addGroup = (): void => {
    const first = createCriterion();
    add(createGroup([first], { mode: group.mode === "all" ? "any" : "all" }), first.id);
  };
  return (
    <div className={classes.group} data-mode={group.mode} data-negated={group.isNegated} role="group" aria-label={name}>
      <div className={classes.groupHead}>
        {group.isNegated && <span className={classes.not}>NOT</span>}
        <SegmentedControl
          size="xs"
          aria-label={`How the parts of ${name} come together`}
          data={MODES}
          value={group.mode}
          disabled={isReadOnly}
          onChange={(mode) => onChange(setMode(root, group.id, mode === "any" ? "any" : "all"))}
        />
        {!isReadOnly && <NodeTools node={group} root={root} name={name} onChange={onChange} />}
      </div>
      <ul className={classes.nodes}>
        {group.nodes.map((node, at) => {
          const here = place ? `${place}.${at + 1}` : String(at + 1);
          return (
            <li key={node.id}>
              {node.type === "group" ? (
                <GroupBox group={node} place={here} tree={tree} />
              ) : (
                <CriterionRow criterion={node} name={`criterion ${here}`} tree={tree} />
              )}
            </li>
          );
        })}
      </ul>
      {wrong.length > 0 && (
        <div className={classes.wrong} role="alert">
          {wrong.map((one) => one.message).join("; ")}
        </div>
      )}
      {!isReadOnly && (
        <div className={classes.foot}>
          <Button
            variant="subtle"
            leftSection={<Icon name="add" size={13} />}
            onClick={addCriterion}
            aria-label={`Add a criterion to ${name}`}
          >
            Criterion
          </Button>
          <Button
            variant="subtle"
            leftSection={<Icon name="add" size={13} />}
            onClick={addGroup}
            aria-label={`Add a group to ${name}`}
          >
            Group
          </Button>
        </div>
      )}
    </div>
  );
};

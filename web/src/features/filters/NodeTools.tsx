import { ActionIcon, Menu } from "@mantine/core";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import classes from "./filters.module.css";
import { canDissolve, dissolveGroup, type Group, moveNode, removeNode, toggleNegated, type TreeNode, wrapNode } from "./tree";

interface NodeToolsProps {
  node: TreeNode;
  root: Group;
  /** How it is called: “criterion 2.1”. */
  name: string;
  onChange: (root: Group) => void;
}

/** What can be done with a criterion or a group as a whole. */
export const NodeTools = ({ node, root, name, onChange }: NodeToolsProps) => {
  const isRoot = node.id === root.id;
  const entry = (label: string, next: Group) => (
    <Menu.Item disabled={next === root} onClick={() => onChange(next)}>
      {label}
    </Menu.Item>
  );
  return (
    <span className={classes.tools}>
      <Menu>
        <Menu.Target>
          <ActionIcon aria-label={`More for ${name}`}>
            <Icon name="more" />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {entry(node.isNegated ? "Turn round again (without NOT)" : "Turn round (NOT)", toggleNegated(root, node.id))}
          {!isRoot && (
            <>
              {entry("Move up", moveNode(root, node.id, -1))}
              {entry("Move down", moveNode(root, node.id, 1))}
              {entry("Put into a group", wrapNode(root, node.id))}
              {node.type === "group" && canDissolve(root, node) && entry("Dissolve the group", dissolveGroup(root, node.id))}
            </>
          )}
        </Menu.Dropdown>
      </Menu>
      {!isRoot && <IconAction label={`Remove ${name}`} icon="close" onClick={() => onChange(removeNode(root, node.id))} />}
    </span>
  );
};

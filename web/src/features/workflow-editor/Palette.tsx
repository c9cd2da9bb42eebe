import { UnstyledButton } from "@mantine/core";
import { Icon } from "@/ui/icons";
import { DRAGGED } from "./Canvas";
import { isTrigger, type NodeType } from "./document";
import { useEditorApi } from "./editor-context";
import classes from "./editor.module.css";
import { GROUPS } from "./kinds";

/** Every kind of node: dragged to where it is to be, or pressed. */
export const Palette = ({ onAdd }: { onAdd: (type: NodeType) => void }) => {
  const { doc } = useEditorApi();
  const triggers = new Set(doc.nodes.filter((one) => isTrigger(one.type)).map((one) => one.type));
  return (
    <nav className={`wb-panel ${classes.palette}`} aria-label="Kinds of nodes">
      {GROUPS.map((group) => (
        <section key={group.label} aria-label={group.label}>
          <h3>{group.label}</h3>
          {group.kinds.map((kind) => {
            const isThere = triggers.has(kind.type);
            return (
              <UnstyledButton
                key={kind.type}
                className={classes.kind}
                title={isThere ? "There is one already; one of each is enough." : kind.about}
                aria-disabled={isThere || undefined}
                draggable={!isThere}
                onDragStart={(event) => {
                  event.dataTransfer.setData(DRAGGED, kind.type);
                  event.dataTransfer.effectAllowed = "copy";
                }}
                onClick={() => {
                  if (!isThere) onAdd(kind.type);
                }}
              >
                <Icon name={kind.icon} size={15} />
                {kind.label}
              </UnstyledButton>
            );
          })}
        </section>
      ))}
    </nav>
  );
};

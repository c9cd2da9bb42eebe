import { Icon } from "@/ui/icons";
import { Connections, EdgeRow } from "./Connections";
import { edgeId } from "./document";
import classes from "./editor.module.css";
import { useEditorApi } from "./editor-context";
import type { Selection } from "./flow";
import { kindOfType } from "./kinds";
import { summaryOf } from "./summary";

/** The same workflow as a list: for whoever does not see the graph or has no mouse, and for a phone. */
export const ListView = ({ selection }: { selection: Selection }) => {
  const { doc, faults, select } = useEditorApi();
  if (doc.nodes.length === 0) return <p className={classes.hint}>There is no node yet.</p>;
  return (
    <div className={classes.listView}>
      <h2 className={classes.heading}>Nodes</h2>
      <ul className={classes.nodes} aria-label="Nodes">
        {doc.nodes.map((node) => {
          const isOpen = selection.nodes.has(node.id);
          const wrong = faults.filter((one) => one.node === node.id).length;
          return (
            <li key={node.id} data-selected={isOpen}>
              <button type="button" className={classes.nodeRow} aria-pressed={isOpen} onClick={() => select([node.id])}>
                <Icon name={kindOfType(node.type).icon} size={15} />
                <strong>{node.name}</strong>
                <span className={classes.dim}>{summaryOf(node)}</span>
                {wrong > 0 && (
                  <span className={classes.wrong}>
                    {wrong} {wrong === 1 ? "problem" : "problems"}
                  </span>
                )}
              </button>
              <Connections node={node} />
            </li>
          );
        })}
      </ul>
      <h2 className={classes.heading}>Edges</h2>
      {doc.edges.length === 0 && <p className={classes.hint}>There is no edge yet.</p>}
      <ul className={classes.edges} aria-label="Edges">
        {doc.edges.map((edge) => (
          <EdgeRow key={edgeId(edge)} edge={edge} />
        ))}
      </ul>
    </div>
  );
};

import { Button, Select } from "@mantine/core";
import { useState } from "react";
import { IconAction } from "@/ui/IconAction";
import { connected, routed, without } from "./edit";
import { inputsFor } from "./connect";
import { edgeId, endOf, hasRoute, nodeOf, portOf, ROUTES, SHAPES, type WorkflowEdge, type WorkflowNode } from "./document";
import classes from "./editor.module.css";
import { useEditorApi } from "./editor-context";
import { ROUTE_WORDS } from "./kinds";

/** The edges of a node in words, and the way to make one without a mouse. */
export const Connections = ({ node }: { node: WorkflowNode }) => {
  const { doc, isReadOnly } = useEditorApi();
  const edges = doc.edges.filter((one) => nodeOf(one.from) === node.id || nodeOf(one.to) === node.id);
  return (
    <section className={classes.stack} aria-label={`Edges of ${node.name}`}>
      <h3 className={classes.heading}>Edges</h3>
      {edges.length === 0 && <p className={classes.hint}>It has none yet.</p>}
      <ul className={classes.edges}>
        {edges.map((edge) => (
          <EdgeRow key={edgeId(edge)} edge={edge} of={node.id} />
        ))}
      </ul>
      {!isReadOnly && SHAPES[node.type].outputs.length > 0 && <NewEdge node={node} />}
    </section>
  );
};

/** One edge, from where `of` stands; from afar without. */
export const EdgeRow = ({ edge, of }: { edge: WorkflowEdge; of?: string }) => {
  const { doc, isReadOnly, apply, select } = useEditorApi();
  const nameOf = (end: string): string => doc.nodes.find((one) => one.id === nodeOf(end))?.name ?? nodeOf(end);
  const id = edgeId(edge);
  const out = `${portOf(edge.from)} → ${nameOf(edge.to)}: ${portOf(edge.to)}`;
  const into = `${nameOf(edge.from)}: ${portOf(edge.from)} → ${portOf(edge.to)}`;
  const said = of === undefined ? `${nameOf(edge.from)}: ${out}` : nodeOf(edge.from) === of ? out : into;
  return (
    <li>
      <button type="button" className={classes.linkish} onClick={() => select([], [id])}>
        {said}
      </button>
      {hasRoute(edge.from) && (
        <Select
          size="xs"
          w={112}
          aria-label={`When is taken: ${said}`}
          data={ROUTES.map((one) => ({ value: one, label: ROUTE_WORDS[one] }))}
          value={edge.route_on ?? "success"}
          allowDeselect={false}
          readOnly={isReadOnly}
          onChange={(chosen) => {
            const route = ROUTES.find((one) => one === chosen);
            if (route) apply(routed(doc, id, route));
          }}
        />
      )}
      {!isReadOnly && (
        <IconAction label={`Remove edge ${said}`} icon="delete" onClick={() => apply(without(doc, new Set(), new Set([id])))} />
      )}
    </li>
  );
};

/** An edge from one of a node's outputs, to what takes it; what does not now says why not. */
const NewEdge = ({ node }: { node: WorkflowNode }) => {
  const { doc, apply } = useEditorApi();
  const { outputs } = SHAPES[node.type];
  const [chosen, setChosen] = useState<string | null>(null);
  const [to, setTo] = useState<string | null>(null);
  const output = outputs.find((one) => one.name === chosen) ?? outputs[0];
  if (!output) return null;
  const from = endOf(node.id, output.name);
  const ends = inputsFor(doc, from);
  const refused = ends.find((one) => one.end === to)?.reason ?? null;
  const isThere = ends.some((one) => one.end === to);
  return (
    <div className={classes.newEdge}>
      {outputs.length > 1 && (
        <Select
          size="xs"
          label="From its output"
          data={outputs.map((one) => one.name)}
          value={output.name}
          allowDeselect={false}
          onChange={(name) => {
            setChosen(name);
            setTo(null);
          }}
        />
      )}
      <Select
        size="xs"
        label={`Connect “${output.name}” with`}
        placeholder={ends.length > 0 ? "Which node" : "No node takes it"}
        searchable
        data={ends.map((one) => ({
          value: one.end,
          label: `${one.node.name}: ${one.port}${one.reason ? " (not now)" : ""}`,
        }))}
        value={isThere ? to : null}
        error={refused}
        onChange={setTo}
      />
      <Button
        variant="default"
        disabled={!isThere || refused !== null || to === null}
        onClick={() => {
          if (to) apply(connected(doc, from, to));
          setTo(null);
        }}
      >
        Connect
      </Button>
    </div>
  );
};

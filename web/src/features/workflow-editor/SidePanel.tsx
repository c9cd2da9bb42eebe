import { Button, Group, Select, Textarea, TextInput } from "@mantine/core";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import { edgeInWords } from "./connect";
import { edgeId, hasRoute, kindOf, ROUTES, type WorkflowDocument, type WorkflowEdge } from "./document";
import { routed, without } from "./edit";
import classes from "./editor.module.css";
import { useEditorApi } from "./editor-context";
import { Choice, Count, type Option, Time } from "./fields";
import type { Selection } from "./flow";
import { ROUTE_WORDS } from "./kinds";
import { NodePanel } from "./NodePanel";

export interface WorkflowText {
  name: string;
  description: string;
}

interface SidePanelProps {
  text: WorkflowText;
  isNew: boolean;
  errorOf: (field: string) => string | undefined;
  selection: Selection;
  onText: (patch: Partial<WorkflowText>) => void;
  onClear: () => void;
}

/** What is selected: a node, an edge, several things; the workflow itself where nothing is. */
export const SidePanel = ({ text, isNew, errorOf, selection, onText, onClear }: SidePanelProps) => {
  const { doc } = useEditorApi();
  const [nodeId, ...more] = selection.nodes;
  const node = more.length === 0 && selection.edges.size === 0 ? doc.nodes.find((one) => one.id === nodeId) : undefined;
  const [lineId, ...others] = selection.edges;
  const edge = others.length === 0 && selection.nodes.size === 0 ? doc.edges.find((one) => edgeId(one) === lineId) : undefined;
  const isAny = selection.nodes.size + selection.edges.size > 0;
  return (
    <div className={classes.side}>
      {isAny && (
        <div className={classes.close}>
          <IconAction label="Close, back to the workflow" icon="close" onClick={onClear} />
        </div>
      )}
      {node ? (
        <NodePanel key={node.id} node={node} onClose={onClear} />
      ) : edge ? (
        <EdgePanel edge={edge} onClose={onClear} />
      ) : isAny ? (
        <Several selection={selection} onClose={onClear} />
      ) : (
        <WorkflowPanel {...{ text, isNew, errorOf, onText }} />
      )}
    </div>
  );
};

const CARRIES = {
  control: "It carries control: what comes next.",
  devices: "It carries a set of devices.",
  result: "It carries a result.",
  value: "It carries a value.",
} as const;

const ROUTE_MEANS = {
  success: "Taken when the node ended well; with warnings too, while no other edge is for those.",
  warning: "Taken when the node ended with warnings.",
  failed: "Taken when the node failed, ran out of time, or was lost.",
  always: "Taken however the node ended.",
} as const;

const EdgePanel = ({ edge, onClose }: { edge: WorkflowEdge; onClose: () => void }) => {
  const { doc, isReadOnly, apply } = useEditorApi();
  const id = edgeId(edge);
  const route = edge.route_on ?? "success";
  return (
    <div className={classes.stack}>
      <div className={classes.panelHead}>
        <h2>Edge</h2>
        <span className={classes.dim}>{CARRIES[kindOf(doc, edge)]}</span>
      </div>
      <p className={classes.hint}>{edgeInWords(doc, edge)}</p>
      {hasRoute(edge.from) && (
        <Select
          label="Taken"
          description={ROUTE_MEANS[route]}
          inputWrapperOrder={["label", "input", "description", "error"]}
          data={ROUTES.map((one) => ({ value: one, label: ROUTE_WORDS[one] }))}
          value={route}
          allowDeselect={false}
          readOnly={isReadOnly}
          onChange={(chosen) => {
            const next = ROUTES.find((one) => one === chosen);
            if (next) apply(routed(doc, id, next));
          }}
        />
      )}
      {!isReadOnly && (
        <Group>
          <Button
            variant="default"
            leftSection={<Icon name="delete" size={14} />}
            onClick={() => {
              onClose();
              apply(without(doc, new Set(), new Set([id])));
            }}
          >
            Remove edge
          </Button>
        </Group>
      )}
    </div>
  );
};

const Several = ({ selection, onClose }: { selection: Selection; onClose: () => void }) => {
  const { doc, isReadOnly, apply } = useEditorApi();
  return (
    <div className={classes.stack}>
      <div className={classes.panelHead}>
        <h2>
          {selection.nodes.size} nodes, {selection.edges.size} edges
        </h2>
        <span className={classes.dim}>Ctrl C copies the nodes with the edges between them, also into another tab.</span>
      </div>
      {!isReadOnly && (
        <Group>
          <Button
            variant="default"
            leftSection={<Icon name="delete" size={14} />}
            onClick={() => {
              onClose();
              apply(without(doc, selection.nodes, selection.edges));
            }}
          >
            Delete all of them
          </Button>
        </Group>
      )}
    </div>
  );
};

const CONCURRENCIES: readonly Option<WorkflowDocument["concurrency"]>[] = [
  { value: "skip", label: "Skip the new run", means: "While a run goes on, another launch of it is skipped." },
  { value: "queue_one", label: "Queue one", means: "One more run waits until the one before has ended." },
  { value: "allow", label: "Run both", means: "Runs of it may go on at the same time." },
];

type WorkflowPanelProps = Pick<SidePanelProps, "text" | "isNew" | "errorOf" | "onText">;

const WorkflowPanel = ({ text, isNew, errorOf, onText }: WorkflowPanelProps) => {
  const { doc, isReadOnly, faults, apply } = useEditorApi();
  const put = (patch: Partial<WorkflowDocument>, field: string): void => apply({ ...doc, ...patch }, field);
  const wrong = (field: string): string | undefined =>
    errorOf(`workflow.${field}`) ?? faults.find((one) => one.node === null && one.field.endsWith(`workflow.${field}`))?.message;
  return (
    <div className={classes.stack}>
      <div className={classes.panelHead}>
        <h2>Workflow</h2>
        <span className={classes.dim}>Select a node or an edge to see what it does.</span>
      </div>
      <TextInput
        label="Name of the workflow"
        required={!isReadOnly}
        maxLength={200}
        value={text.name}
        error={errorOf("name")}
        readOnly={isReadOnly}
        data-autofocus={isNew || undefined}
        onChange={(event) => onText({ name: event.currentTarget.value })}
      />
      <Textarea
        label="Description"
        autosize
        minRows={2}
        maxRows={6}
        maxLength={10_000}
        value={text.description}
        error={errorOf("description")}
        readOnly={isReadOnly}
        onChange={(event) => onText({ description: event.currentTarget.value })}
      />
      <Time
        label="Time limit of a run"
        description="Then what is at work is stopped, and the run has failed."
        value={doc.time_limit_seconds}
        error={wrong("time_limit_seconds")}
        isReadOnly={isReadOnly}
        onChange={(seconds) => put({ time_limit_seconds: seconds ?? 0 }, "time_limit_seconds")}
      />
      <Count
        label="Most nodes at work at once"
        placeholder="any number"
        min={1}
        value={doc.max_parallel}
        error={wrong("max_parallel")}
        isReadOnly={isReadOnly}
        onChange={(max_parallel) => put({ max_parallel }, "max_parallel")}
      />
      <Choice
        label="When the run before is still going"
        options={CONCURRENCIES}
        value={doc.concurrency}
        error={wrong("concurrency")}
        isReadOnly={isReadOnly}
        onChange={(concurrency) => put({ concurrency }, "concurrency")}
      />
    </div>
  );
};

import { ReactFlowProvider } from "@xyflow/react";
import { type ReactNode, useMemo, useRef, useState } from "react";
import type { AssemblyBody } from "@/api/assemblies";
import type { FieldProblem } from "@/api/problem";
import { useIsPhone } from "@/lib/use-is-phone";
import { Canvas } from "./Canvas";
import type { WorkflowDocument } from "./document";
import { DocumentView } from "./DocumentView";
import { type EditorApi, EditorContext } from "./editor-context";
import classes from "./editor.module.css";
import { NOTHING, type Selection } from "./flow";
import { ListView } from "./ListView";
import { Palette } from "./Palette";
import { Problems } from "./Problems";
import { readWorkflow } from "./read-document";
import { SidePanel } from "./SidePanel";
import { type DevicePickerType, TestRunDialog } from "./TestRunDialog";
import { Toolbar, type View } from "./Toolbar";
import { useClipboard, useCommands, useGraphKeys } from "./use-commands";
import { useEditor } from "./use-editor";
import { useWorkflowCheck } from "./use-workflow-check";

export interface WorkflowEditorProps {
  assemblyId: string | null;
  /** What a save would send. */
  body: AssemblyBody;
  isReadOnly: boolean;
  errorOf: (field: string) => string | undefined;
  /** What the last save was refused for. */
  refused: readonly FieldProblem[];
  onChange: (patch: { name?: string; description?: string; workflow?: WorkflowDocument }) => void;
  /** The form of the parameters. */
  parameters: ReactNode;
  DevicePicker: DevicePickerType;
}

/** A workflow: drawn, listed, written, and looked over by the Engine. */
export const WorkflowEditor = (props: WorkflowEditorProps) => (
  <ReactFlowProvider>
    <Editor {...props} />
  </ReactFlowProvider>
);

const Editor = ({ assemblyId, body, errorOf, refused, onChange, parameters, DevicePicker, ...rest }: WorkflowEditorProps) => {
  const isPhone = useIsPhone();
  const isReadOnly = rest.isReadOnly || isPhone;
  const doc = useMemo(() => readWorkflow(body.workflow), [body.workflow]);
  const check = useWorkflowCheck(body, assemblyId, doc, refused, !rest.isReadOnly);
  const [selection, setSelection] = useState<Selection>(NOTHING);
  const [view, setView] = useState<View>("graph");
  const [isTesting, setTesting] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const panel = useRef<HTMLDivElement>(null);
  const { apply, undo, redo, canUndo, canRedo } = useEditor({ doc, isReadOnly, onChange: (workflow) => onChange({ workflow }) });
  const select = useMemo(
    () =>
      (nodes: readonly string[], edges: readonly string[] = []): void =>
        setSelection({ nodes: new Set(nodes), edges: new Set(edges) }),
    [],
  );
  const commands = useCommands({ doc, isReadOnly, selection, apply, select }, frame);
  useClipboard(root, commands);
  const openPanel = (id: string): void => {
    select([id]);
    // Once the panel is there.
    setTimeout(() => panel.current?.querySelector<HTMLElement>("input, textarea")?.focus(), 0);
  };
  useGraphKeys(root, { ...commands, undo, redo, openPanel, clear: () => select([]) });
  const goTo = (id: string): void => {
    if (view !== "list") setView("graph");
    commands.goTo(id);
  };
  const variables = body.variables ?? [];
  const api: EditorApi = {
    assemblyId,
    doc,
    isReadOnly,
    parameters: variables.map(({ name, type }) => ({ name, type })),
    faults: check.faults,
    apply,
    select,
    goTo,
  };
  const graph = (
    <div ref={frame} className={classes.canvas} role="region" aria-label="Graph of the workflow">
      {doc.nodes.length === 0 && <p className={classes.first}>Begin with a start from the palette: press it, or drag it here.</p>}
      <Canvas selection={selection} onSelect={setSelection} onDropNode={commands.add} />
    </div>
  );
  const side = (
    <aside ref={panel} className={`wb-panel ${classes.panel}`} aria-label="What is selected">
      <SidePanel
        text={body}
        isNew={assemblyId === null}
        errorOf={errorOf}
        selection={selection}
        onText={onChange}
        onClear={() => {
          const [id] = selection.nodes;
          select([]);
          if (id) frame.current?.querySelector<HTMLElement>(`.react-flow__node[data-id="${CSS.escape(id)}"]`)?.focus();
        }}
      />
    </aside>
  );
  return (
    <EditorContext value={api}>
      <div ref={root} className={classes.editor} data-phone={isPhone}>
        {isPhone ? (
          <>
            <p className={classes.hint}>On a narrow screen a workflow is there to be read. It is changed on a wider one.</p>
            <ListView selection={selection} />
            {graph}
          </>
        ) : (
          <>
            <Toolbar
              {...{ view, isReadOnly, canUndo, canRedo }}
              testRefused={testRefused(assemblyId, rest.isReadOnly)}
              onView={setView}
              onUndo={undo}
              onRedo={redo}
              onArrange={commands.arrange}
              onFit={commands.fit}
              onTest={() => setTesting(true)}
            />
            {(view === "graph" || view === "list") && (
              <div className={classes.work} data-view={view}>
                {!isReadOnly && <Palette onAdd={(type) => commands.add(type)} />}
                {view === "graph" ? graph : <ListView selection={selection} />}
                {side}
              </div>
            )}
            {view === "parameters" && parameters}
            {view === "document" && <DocumentView />}
          </>
        )}
        {!rest.isReadOnly && <Problems {...check} />}
      </div>
      {isTesting && assemblyId && (
        <TestRunDialog
          assemblyId={assemblyId}
          definition={body}
          parameters={variables}
          DevicePicker={DevicePicker}
          onClose={() => setTesting(false)}
        />
      )}
    </EditorContext>
  );
};

const testRefused = (assemblyId: string | null, isReadOnly: boolean): string | null => {
  if (assemblyId === null) return "Save it once first: a run belongs to a workflow.";
  return isReadOnly ? "You may not change it, and so not run a change of it." : null;
};

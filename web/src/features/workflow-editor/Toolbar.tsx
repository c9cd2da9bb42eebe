import { Button, Group, SegmentedControl } from "@mantine/core";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import classes from "./editor.module.css";

export const VIEWS = [
  { value: "graph", label: "Graph" },
  { value: "list", label: "List" },
  { value: "parameters", label: "Parameters" },
  { value: "document", label: "Document" },
] as const;
export type View = (typeof VIEWS)[number]["value"];

interface ToolbarProps {
  view: View;
  isReadOnly: boolean;
  canUndo: boolean;
  canRedo: boolean;
  /** Why there can be no test run now. */
  testRefused: string | null;
  onView: (view: View) => void;
  onUndo: () => void;
  onRedo: () => void;
  onArrange: () => void;
  onFit: () => void;
  onTest: () => void;
}

export const Toolbar = (props: ToolbarProps) => {
  const { view, isReadOnly, canUndo, canRedo, testRefused } = props;
  return (
    <div className={classes.toolbar} role="toolbar" aria-label="Workflow">
      <SegmentedControl
        size="xs"
        aria-label="Seen as"
        data={[...VIEWS]}
        value={view}
        onChange={(chosen) => {
          const found = VIEWS.find((one) => one.value === chosen);
          if (found) props.onView(found.value);
        }}
      />
      <Group gap={4}>
        {!isReadOnly && (
          <>
            <IconAction label="Undo" icon="undo" reason={canUndo ? null : "nothing to undo"} onClick={props.onUndo} />
            <IconAction label="Redo" icon="redo" reason={canRedo ? null : "nothing to redo"} onClick={props.onRedo} />
          </>
        )}
        {view === "graph" && (
          <>
            {!isReadOnly && <IconAction label="Arrange the nodes" icon="arrange" onClick={props.onArrange} />}
            <IconAction label="Show all of it" icon="fit" onClick={props.onFit} />
          </>
        )}
        <Button
          variant="default"
          leftSection={<Icon name="run" size={14} />}
          disabled={testRefused !== null}
          title={testRefused ?? undefined}
          onClick={props.onTest}
        >
          Test run…
        </Button>
      </Group>
    </div>
  );
};

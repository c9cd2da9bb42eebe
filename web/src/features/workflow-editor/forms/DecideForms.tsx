import { useInfiniteQuery } from "@tanstack/react-query";
import { windowsQuery } from "@/api/windows";
import { Choice, Count, type Option, Time } from "../fields";
import { ExpressionField } from "../ExpressionField";
import { ThingPicker } from "../pickers";
import { type FormProps, numberOf, oneOf, textOf } from "./form";

export const ConditionForm = ({ node, fault, set }: FormProps) => (
  <ExpressionField
    nodeId={node.id}
    label="Condition"
    description="True goes one way, false the other."
    placeholder="inputs.check.failed > 0"
    value={textOf(node.settings["expression"])}
    error={fault("expression")}
    onChange={(expression) => set({ expression })}
  />
);

export const ValueForm = ({ node, fault, set }: FormProps) => (
  <ExpressionField
    nodeId={node.id}
    label="Value"
    description={`Later nodes that it is wired to call it inputs.${node.id}.`}
    placeholder="round(inputs.check.failed / inputs.check.total * 100)"
    value={textOf(node.settings["expression"])}
    error={fault("expression")}
    onChange={(expression) => set({ expression })}
  />
);

const WAITS: readonly Option<"duration" | "window" | "devices">[] = [
  { value: "duration", label: "For a time", means: "It goes on when the time is over." },
  { value: "window", label: "For a maintenance window", means: "It goes on as soon as the window is open." },
  { value: "devices", label: "For devices", means: "It goes on once enough of the devices that are wired to it are online." },
];

const FIRST_WAIT = {
  duration: { for: "duration", seconds: 600, window_id: undefined, percent: undefined },
  window: { for: "window", window_id: null, seconds: undefined, percent: undefined },
  devices: { for: "devices", percent: 90, seconds: undefined, window_id: undefined },
} as const;

export const WaitForm = ({ node, isReadOnly, fault, set }: FormProps) => {
  const { settings } = node;
  const waits = oneOf(settings["for"], WAITS, "duration");
  return (
    <>
      <Choice
        label="Waits"
        options={WAITS}
        value={waits}
        error={fault("for")}
        isReadOnly={isReadOnly}
        onChange={(chosen) => set(FIRST_WAIT[chosen])}
      />
      {waits === "duration" && (
        <Time
          label="How long"
          value={numberOf(settings["seconds"])}
          error={fault("seconds")}
          isReadOnly={isReadOnly}
          onChange={(seconds) => set({ seconds })}
        />
      )}
      {waits === "window" && <WindowField {...{ node, isReadOnly, fault, set }} />}
      {waits === "devices" && (
        <Count
          label="Online are at least"
          suffix=" %"
          min={1}
          value={numberOf(settings["percent"])}
          error={fault("percent")}
          isReadOnly={isReadOnly}
          onChange={(percent) => set({ percent })}
        />
      )}
    </>
  );
};

const WindowField = ({ node, isReadOnly, fault, set }: FormProps) => {
  const found = useInfiniteQuery(windowsQuery({}));
  const windows = found.data?.pages.flatMap((one) => one.items).filter((one) => one.kind === "allow");
  return (
    <ThingPicker
      label="Maintenance window"
      placeholder="Which window"
      things={windows}
      value={numberOf(node.settings["window_id"])}
      error={fault("window_id")}
      isReadOnly={isReadOnly}
      onChange={(window_id) => set({ window_id })}
    />
  );
};

export const ApprovalForm = ({ node, isReadOnly, fault, set }: FormProps) => (
  <>
    <ExpressionField
      nodeId={node.id}
      label="What is asked"
      isText
      placeholder="Patch the remaining devices?"
      value={textOf(node.settings["message"])}
      error={fault("message")}
      onChange={(message) => set({ message })}
    />
    <Time
      label="Answered within"
      description="Without an answer by then it has failed."
      value={numberOf(node.settings["timeout_seconds"])}
      error={fault("timeout_seconds")}
      isReadOnly={isReadOnly}
      onChange={(timeout_seconds) => set({ timeout_seconds })}
    />
  </>
);

const MODES: readonly Option<"all" | "any" | "n">[] = [
  { value: "all", label: "All", means: "It goes on when every way has come here; else it is skipped." },
  { value: "any", label: "Any", means: "It goes on as soon as one way has come here." },
  { value: "n", label: "A number", means: "It goes on as soon as so many ways have come here." },
];

export const JoinForm = ({ node, isReadOnly, fault, set }: FormProps) => {
  const mode = oneOf(node.settings["mode"], MODES, "all");
  return (
    <>
      <Choice
        label="Waits for"
        options={MODES}
        value={mode}
        error={fault("mode")}
        isReadOnly={isReadOnly}
        onChange={(chosen) => set({ mode: chosen, n: chosen === "n" ? 2 : null })}
      />
      {mode === "n" && (
        <Count
          label="How many"
          min={1}
          value={numberOf(node.settings["n"])}
          error={fault("n")}
          isReadOnly={isReadOnly}
          onChange={(n) => set({ n })}
        />
      )}
    </>
  );
};

import { Select, TagsInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { channelChoicesQuery } from "@/api/notifications";
import { Choice, Count, type Option } from "../fields";
import { ExpressionField } from "../ExpressionField";
import { ThingPicker } from "../pickers";
import { type FormProps, numberOf, oneOf, recordOf, textOf } from "./form";
import { Pairs } from "./Pairs";

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"];

const AGAIN: readonly Option<"lost" | "again">[] = [
  {
    value: "lost",
    label: "Leave it at that",
    means: "If the Engine stops in the middle, the node is lost: nobody knows whether it arrived.",
  },
  { value: "again", label: "Send it again", means: "The request may come twice: it is sent once more." },
];

export const HttpForm = ({ node, isReadOnly, fault, set }: FormProps) => {
  const { settings } = node;
  const method = textOf(settings["method"]) || "GET";
  const expect = Array.isArray(settings["expect"]) ? settings["expect"].map(String) : [];
  return (
    <>
      <Select
        label="Method"
        data={METHODS}
        value={method}
        allowDeselect={false}
        error={fault("method")}
        readOnly={isReadOnly}
        onChange={(chosen) => chosen && set({ method: chosen })}
      />
      <ExpressionField
        nodeId={node.id}
        label="Address"
        isText
        rows={1}
        placeholder="https://example.org/hook"
        value={textOf(settings["url"])}
        error={fault("url")}
        onChange={(url) => set({ url })}
      />
      <Pairs
        label="Headers"
        of="header"
        names={["Header", "Value"]}
        pairs={Object.entries(recordOf(settings["headers"])).map(([name, value]) => [name, textOf(value)])}
        error={fault("headers")}
        isReadOnly={isReadOnly}
        onChange={(pairs) => set({ headers: Object.fromEntries(pairs) })}
      />
      {method !== "GET" && (
        <ExpressionField
          nodeId={node.id}
          label="Body"
          isText
          value={textOf(settings["body"])}
          error={fault("body")}
          onChange={(body) => set({ body: body === "" ? null : body })}
        />
      )}
      <Count
        label="Time limit of the request"
        suffix=" s"
        min={1}
        value={numberOf(settings["timeout_seconds"])}
        error={fault("timeout_seconds")}
        isReadOnly={isReadOnly}
        onChange={(timeout_seconds) => set({ timeout_seconds })}
      />
      <TagsInput
        label="Statuses that are good"
        description="None: all of 200 to 299."
        placeholder={isReadOnly || expect.length > 0 ? undefined : "Type one, then Enter"}
        value={expect}
        error={fault("expect")}
        readOnly={isReadOnly}
        onChange={(codes) => set({ expect: codes.length > 0 ? codes.map(Number) : null })}
      />
      <Choice
        label="Where the Engine stops meanwhile"
        options={AGAIN}
        value={oneOf(settings["interrupted"], AGAIN, "lost")}
        error={fault("interrupted")}
        isReadOnly={isReadOnly}
        onChange={(interrupted) => set({ interrupted })}
      />
    </>
  );
};

export const NotifyForm = ({ node, isReadOnly, fault, set }: FormProps) => (
  <>
    <ThingPicker
      label="Channel"
      placeholder="Which notification channel"
      things={useQuery(channelChoicesQuery()).data}
      value={numberOf(node.settings["channel_id"])}
      error={fault("channel_id")}
      isReadOnly={isReadOnly}
      onChange={(channel_id) => set({ channel_id })}
    />
    <ExpressionField
      nodeId={node.id}
      label="Subject"
      isText
      rows={1}
      value={textOf(node.settings["subject"])}
      error={fault("subject")}
      onChange={(subject) => set({ subject })}
    />
    <ExpressionField
      nodeId={node.id}
      label="Message"
      isText
      value={textOf(node.settings["message"])}
      error={fault("message")}
      onChange={(message) => set({ message })}
    />
  </>
);

interface Taken {
  parameter: string;
  path: string;
  required: boolean;
}

const takenOf = (value: unknown): Taken[] =>
  (Array.isArray(value) ? value : []).map((one: unknown) => {
    const { parameter, path, required } = recordOf(one);
    return { parameter: textOf(parameter), path: textOf(path), required: required === true };
  });

/** Which parameters come from what another system sends, and from where in it. */
export const WebhookForm = ({ node, isReadOnly, fault, set, parameters }: FormProps & { parameters: readonly string[] }) => {
  const payload = takenOf(node.settings["payload"]);
  return (
    <Pairs
      label="Parameters from what is sent"
      of="parameter"
      names={["Parameter", "Path in the JSON"]}
      pairs={payload.map((one) => [one.parameter, one.path])}
      choices={parameters}
      error={fault("payload")}
      isReadOnly={isReadOnly}
      onChange={(pairs) =>
        set({ payload: pairs.map(([parameter, path], at) => ({ parameter, path, required: payload[at]?.required ?? true })) })
      }
      onRemove={(at) => set({ payload: payload.filter((_, other) => other !== at) })}
      marks={{
        label: "must be there",
        checked: payload.map((one) => one.required),
        onChange: (at, required) => set({ payload: payload.map((one, other) => (other === at ? { ...one, required } : one)) }),
      }}
    />
  );
};

import { SegmentedControl, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { filtersByName } from "@/api/pickers";
import { useSites } from "@/api/sites";
import { Choice, Count, type Option } from "../fields";
import { DevicesPicker, ThingPicker } from "../pickers";
import { type FormProps, numberOf, oneOf, textsOf } from "./form";

export const FilterForm = ({ node, isReadOnly, fault, set }: FormProps) => (
  <ThingPicker
    label="Device filter"
    placeholder="Which filter"
    things={useQuery(filtersByName()).data}
    value={numberOf(node.settings["filter_id"])}
    error={fault("filter_id")}
    isReadOnly={isReadOnly}
    onChange={(filter_id) => set({ filter_id })}
  />
);

export const SiteForm = ({ node, isReadOnly, fault, set }: FormProps) => (
  <ThingPicker
    label="Site"
    placeholder="Which site"
    things={useSites()}
    value={numberOf(node.settings["site_id"])}
    error={fault("site_id")}
    isReadOnly={isReadOnly}
    onChange={(site_id) => set({ site_id })}
  />
);

export const DevicesForm = ({ node, isReadOnly, fault, set }: FormProps) => (
  <DevicesPicker
    value={textsOf(node.settings["device_ids"])}
    error={fault("device_ids")}
    isReadOnly={isReadOnly}
    onChange={(device_ids) => set({ device_ids })}
  />
);

const OPERATIONS: readonly Option<"union" | "intersection" | "difference">[] = [
  { value: "union", label: "Together", means: "Every device that is in a or in b." },
  { value: "intersection", label: "What both have", means: "Only devices that are in a and in b." },
  { value: "difference", label: "a without b", means: "The devices of a that are not in b." },
];

export const CombineForm = ({ node, isReadOnly, fault, set }: FormProps) => (
  <Choice
    label="The two sets"
    options={OPERATIONS}
    value={oneOf(node.settings["operation"], OPERATIONS, "union")}
    error={fault("operation")}
    isReadOnly={isReadOnly}
    onChange={(operation) => set({ operation })}
  />
);

const ORDERS: readonly Option<"name" | "random">[] = [
  { value: "name", label: "By name", means: "The first ones by their names." },
  { value: "random", label: "At random", means: "Any of them; the same ones all through a run." },
];

export const TakeForm = ({ node, isReadOnly, fault, set }: FormProps) => {
  const { number, percent, order } = node.settings;
  const isShare = number === undefined || number === null;
  const keep = { order: oneOf(order, ORDERS, "name") };
  return (
    <>
      <SegmentedControl
        size="xs"
        aria-label="How much is taken"
        data={[
          { value: "percent", label: "A share" },
          { value: "number", label: "A number" },
        ]}
        value={isShare ? "percent" : "number"}
        readOnly={isReadOnly}
        onChange={(chosen) =>
          set(chosen === "percent" ? { ...keep, percent: 10, number: undefined } : { ...keep, number: 1, percent: undefined })
        }
      />
      {isShare ? (
        <Count
          label="Share"
          suffix=" %"
          min={1}
          description="Rounded up; at least one device of a set that has any."
          value={numberOf(percent)}
          error={fault("percent")}
          isReadOnly={isReadOnly}
          onChange={(value) => set({ percent: value })}
        />
      ) : (
        <Count
          label="Number of devices"
          min={1}
          value={numberOf(number)}
          error={fault("number")}
          isReadOnly={isReadOnly}
          onChange={(value) => set({ number: value })}
        />
      )}
      <Choice
        label="Which ones"
        options={ORDERS}
        value={keep.order}
        error={fault("order")}
        isReadOnly={isReadOnly}
        onChange={(value) => set({ order: value })}
      />
    </>
  );
};

export const SplitForm = () => (
  <Text size="sm" c="dimmed">
    Wire a result to it. Each output gives the devices that ended so; “changed” only a playbook tells.
  </Text>
);

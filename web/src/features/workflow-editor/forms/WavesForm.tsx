import { TagsInput } from "@mantine/core";
import type { Settings } from "../document";
import { Choice, Count, type Option, Time } from "../fields";
import { numberOf, oneOf, recordOf } from "./form";

const PROMOTES: readonly Option<"auto" | "manual">[] = [
  { value: "auto", label: "By itself", means: "The next wave begins when the pause is over and nothing went wrong." },
  { value: "manual", label: "By a person", means: "Each next wave waits until somebody lets it go." },
];
const ORDERS: readonly Option<"hostname" | "site" | "os" | "last_seen" | "random">[] = [
  { value: "hostname", label: "by host name" },
  { value: "site", label: "by site" },
  { value: "os", label: "by system" },
  { value: "last_seen", label: "last seen first" },
  { value: "random", label: "at random, the same each time" },
];

interface WavesFormProps {
  waves: Settings;
  isReadOnly: boolean;
  fault: (field: string) => string | undefined;
  onChange: (waves: Settings) => void;
}

/** A few devices first, then more; it stops by itself where too many fail. */
export const WavesForm = ({ waves, isReadOnly, fault, onChange }: WavesFormProps) => {
  const put = (patch: Settings): void => onChange({ ...waves, ...patch });
  const stop = recordOf(waves["stop"]);
  return (
    <>
      <TagsInput
        label="Sizes of the waves"
        description="Numbers or shares, in order: 1, 10%, 50%. The rest follows as the last one."
        value={(Array.isArray(waves["sizes"]) ? waves["sizes"] : []).map(String)}
        error={fault("waves.sizes")}
        readOnly={isReadOnly}
        onChange={(sizes) => put({ sizes: sizes.map((one) => (/^\d+$/.test(one) ? Number(one) : one)) })}
      />
      <Time
        label="Pause between waves"
        value={numberOf(waves["soak_seconds"]) ?? 0}
        error={fault("waves.soak_seconds")}
        isReadOnly={isReadOnly}
        onChange={(soak_seconds) => put({ soak_seconds: soak_seconds ?? 0 })}
      />
      <Choice
        label="Goes on"
        options={PROMOTES}
        value={oneOf(waves["promote"], PROMOTES, "auto")}
        error={fault("waves.promote")}
        isReadOnly={isReadOnly}
        onChange={(promote) => put({ promote })}
      />
      <Choice
        label="Order"
        options={ORDERS}
        value={oneOf(waves["order_by"], ORDERS, "hostname")}
        error={fault("waves.order_by")}
        isReadOnly={isReadOnly}
        onChange={(order_by) => put({ order_by })}
      />
      <Count
        label="Stops where so many have failed"
        suffix=" %"
        placeholder="never"
        min={1}
        value={numberOf(stop["failed_percent"])}
        error={fault("waves.stop")}
        isReadOnly={isReadOnly}
        onChange={(failed_percent) => put({ stop: { ...stop, failed_percent } })}
      />
    </>
  );
};

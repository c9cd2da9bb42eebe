import { Button, CloseButton } from "@mantine/core";
import { useState } from "react";
import { Icon } from "@/ui/icons";
import { labelOf } from "./changes";
import type { Exclusion, Target } from "./form";
import classes from "./job-editor.module.css";
import { TargetLabel } from "./names";
import { DevicePicker, FilterPicker, SitePicker } from "./pickers";

type Kind = "device" | "filter" | "site";

const KINDS: readonly Kind[] = ["device", "filter", "site"];

interface TargetListProps {
  /** Before the buttons: “Add” or “Leave out”. */
  verb: string;
  /** What the list is, for those who cannot see it. */
  label: string;
  list: readonly Target[];
  onChange: (list: Target[]) => void;
  kinds?: readonly Kind[];
  /** What is wrong with the entry at this place. */
  faultAt: (place: number) => string | undefined;
}

/** So many are shown before the rest is asked for: a job may name thousands. */
const SHOWN = 24;

/** The targets that were chosen, and the pickers for more. */
export const TargetList = ({ verb, label, list, onChange, kinds = KINDS, faultAt }: TargetListProps) => {
  const [picking, setPicking] = useState<Kind | null>(null);
  const [shown, setShown] = useState(SHOWN);
  const add = (more: readonly Exclusion[]): void => {
    const known = new Set(list.map(labelOf));
    onChange([...list, ...more.filter((one) => !known.has(labelOf(one)))]);
  };
  const faulty = list.flatMap((one, place) => {
    const fault = faultAt(place);
    return fault ? [{ one, fault }] : [];
  });
  return (
    <div>
      {list.length > 0 && (
        <ul className={classes.chips} aria-label={label}>
          {list.slice(0, shown).map((one, place) => (
            <li key={labelOf(one)} className={classes.chip} data-bad={faultAt(place) ? true : undefined}>
              <TargetLabel target={one} />
              <CloseButton
                size="xs"
                aria-label={`Take away ${one.kind} ${place + 1}`}
                onClick={() => onChange(list.filter((other) => other !== one))}
              />
            </li>
          ))}
          {list.length > shown && (
            <li>
              <Button variant="subtle" size="compact-xs" onClick={() => setShown((now) => now + 200)}>
                and {(list.length - shown).toLocaleString("en")} more
              </Button>
            </li>
          )}
        </ul>
      )}
      {faulty.slice(0, 5).map(({ one, fault }) => (
        <p key={labelOf(one)} className={classes.fault} role="alert">
          <TargetLabel target={one} />: {fault}
        </p>
      ))}
      <div className={classes.buttons}>
        {kinds.map((kind) => (
          <Button
            key={kind}
            variant="default"
            leftSection={<Icon name={kind} size={14} />}
            onClick={() => setPicking(kind)}
          >{`${verb} ${kind}s…`}</Button>
        ))}
      </div>
      {picking === "device" && (
        <DevicePicker
          title={`${verb} devices`}
          onChoose={(ids) => add(ids.map((device_id) => ({ kind: "device", device_id })))}
          onClose={() => setPicking(null)}
        />
      )}
      {picking === "filter" && (
        <FilterPicker
          title={`${verb} filters`}
          onChoose={(ids) => add(ids.map((filter_id) => ({ kind: "filter", filter_id })))}
          onClose={() => setPicking(null)}
        />
      )}
      {picking === "site" && (
        <SitePicker
          title={`${verb} sites`}
          onChoose={(ids) => add(ids.map((site_id) => ({ kind: "site", site_id })))}
          onClose={() => setPicking(null)}
        />
      )}
    </div>
  );
};

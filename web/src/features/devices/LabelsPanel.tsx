import { Button, TagsInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { customFieldsQuery } from "@/api/custom-fields";
import { useChangeTags, type WholeDevice } from "@/api/devices";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { FactList } from "@/ui/FactList";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { TitledPanel } from "@/ui/TitledPanel";
import { CustomValuesDialog } from "./CustomValuesDialog";
import { Tags } from "./device-columns";
import classes from "./devices.module.css";

/** What people say of the device: its tags, and its values of the custom fields. */
export const LabelsPanel = ({ device, reason }: { device: WholeDevice; reason: string | null }) => {
  const [asked, setAsked] = useState<"tags" | "values" | null>(null);
  const fields = useQuery(customFieldsQuery()).data ?? [];
  const button = (what: "tags" | "values") => (
    <Button
      variant="subtle"
      leftSection={<Icon name="edit" size={13} />}
      disabled={reason !== null}
      title={reason ?? undefined}
      aria-label={what === "tags" ? `Edit the tags of ${device.hostname}` : `Edit the custom fields of ${device.hostname}`}
      onClick={() => setAsked(what)}
    >
      Edit…
    </Button>
  );
  return (
    <>
      <TitledPanel title="Tags" actions={button("tags")}>
        <Tags tags={device.tags} />
      </TitledPanel>
      <TitledPanel title="Custom fields" actions={fields.length > 0 && button("values")}>
        {fields.length === 0 ? (
          <span style={{ color: "var(--wb-dim)" }}>There are no custom fields.</span>
        ) : (
          <FactList facts={fields.map((field) => ({ label: field.label, value: <Value device={device} name={field.name} /> }))} />
        )}
      </TitledPanel>
      {asked === "tags" && <TagsOfOne device={device} onClose={() => setAsked(null)} />}
      {asked === "values" && <CustomValuesDialog device={device} fields={fields} onClose={() => setAsked(null)} />}
    </>
  );
};

const Value = ({ device, name }: { device: WholeDevice; name: string }) => {
  const found = device.custom_values[name];
  if (!found) return "–";
  const said = typeof found.value === "boolean" ? (found.value ? "yes" : "no") : String(found.value);
  return (
    <span>
      {said}{" "}
      {found.set_by === "script" && (
        <small className={classes.line}>
          by a script, <Instant at={found.set_at} show="relative" />
        </small>
      )}
    </span>
  );
};

const TagsOfOne = ({ device, onClose }: { device: WholeDevice; onClose: () => void }) => {
  const [tags, setTags] = useState([...device.tags]);
  const act = useChangeTags(() => `The tags of “${device.hostname}” are saved.`);
  // Said as what comes and what goes: what somebody else adds meanwhile stays.
  const change = {
    device_ids: [device.id],
    add: tags.filter((one) => !device.tags.includes(one)),
    remove: device.tags.filter((one) => !tags.includes(one)),
  };
  const isSame = change.add.length + change.remove.length === 0;
  return (
    <ConfirmDialog
      opened
      title={`Tags of ${device.hostname}`}
      confirm="Save tags"
      busy={act.isPending}
      problem={act.error}
      blocked={isSame ? "Nothing is changed." : null}
      onClose={onClose}
      onConfirm={() => act.mutate(change, { onSuccess: onClose })}
    >
      <TagsInput label="Tags" value={tags} onChange={setTags} splitChars={[",", " "]} data-autofocus />
    </ConfirmDialog>
  );
};

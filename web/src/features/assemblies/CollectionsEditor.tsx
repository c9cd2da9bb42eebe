import { Button, TextInput } from "@mantine/core";
import type { Collection } from "@/api/assemblies";
import { Icon } from "@/ui/icons";
import { IconAction } from "@/ui/IconAction";
import classes from "./assemblies.module.css";
import playbook from "./playbook.module.css";

interface CollectionsEditorProps {
  collections: readonly Collection[];
  isReadOnly: boolean;
  errorOf: (field: string) => string | undefined;
  onChange: (collections: Collection[]) => void;
}

/** The collections that a playbook takes modules and roles from. */
export const CollectionsEditor = ({ collections, isReadOnly, errorOf, onChange }: CollectionsEditorProps) => {
  const put = (at: number, one: Collection): void => onChange(collections.map((other, place) => (place === at ? one : other)));
  return (
    <section className={`wb-panel ${classes.section}`} aria-label="Collections">
      <div className={classes.sectionHead}>
        <h2>Collections</h2>
        {!isReadOnly && (
          <Button
            variant="default"
            leftSection={<Icon name="add" size={14} />}
            onClick={() => onChange([...collections, { name: "", version: "*" }])}
          >
            Add
          </Button>
        )}
      </div>
      <p className={classes.hint}>
        {collections.length === 0 ? "It needs none beyond ansible.builtin. " : ""}The Engine has them, or installs them from its
        source.
      </p>
      {collections.map((one, at) => (
        <fieldset key={at} className={playbook.collection} aria-label={`Collection ${one.name || at + 1}`}>
          <TextInput
            label="Name"
            placeholder="ansible.posix"
            value={one.name}
            readOnly={isReadOnly}
            error={
              errorOf(`collections.${at}.name`) ??
              (errorOf(`collections.${at}.version`) ? undefined : errorOf(`collections.${at}`))
            }
            onChange={(event) => put(at, { ...one, name: event.currentTarget.value })}
          />
          <TextInput
            label="Version"
            placeholder=">=1.5,<2"
            value={one.version}
            readOnly={isReadOnly}
            error={errorOf(`collections.${at}.version`)}
            onChange={(event) => put(at, { ...one, version: event.currentTarget.value })}
          />
          {!isReadOnly && (
            <IconAction
              label={`Remove ${one.name || "the collection"}`}
              icon="delete"
              onClick={() => onChange(collections.filter((_, place) => place !== at))}
            />
          )}
        </fieldset>
      ))}
    </section>
  );
};

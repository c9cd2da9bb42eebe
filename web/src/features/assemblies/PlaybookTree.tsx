import { Button, FileButton, Group, TextInput } from "@mantine/core";
import { useState } from "react";
import { useStoreFile } from "@/api/assemblies";
import { Icon } from "@/ui/icons";
import { ProblemAlert } from "@/ui/ProblemAlert";
import type { Draft } from "./draft";
import { type Fault, MAIN } from "./faults";
import classes from "./playbook.module.css";
import { added, attached, foldersOf } from "./tree";

interface PlaybookTreeProps {
  draft: Draft;
  faults: readonly Fault[];
  isReadOnly: boolean;
  open: string;
  onOpen: (path: string) => void;
  onChange: (patch: Partial<Draft>) => void;
}

/** The playbook and its files, by folders; one of them is open. */
export const PlaybookTree = ({ draft, faults, isReadOnly, open, onOpen, onChange }: PlaybookTreeProps) => {
  const entry = (path: string, name: string) => (
    <li key={path}>
      <button type="button" className={classes.file} aria-current={path === open} aria-label={path} onClick={() => onOpen(path)}>
        <Icon name="ledger" size={14} />
        <span>{name}</span>
        {faults.some((one) => one.path === path) && (
          <span className={classes.bad}>
            <Icon name="warning" size={14} />
            <span className="wb-only-read">has problems</span>
          </span>
        )}
      </button>
    </li>
  );
  return (
    <nav className={classes.tree} aria-label="Files of the playbook">
      <ul>{entry(MAIN, MAIN)}</ul>
      {foldersOf(draft.files).map((folder) => (
        <div key={folder.path}>
          {folder.path && <p className={classes.folder}>{folder.path}</p>}
          <ul>{folder.files.map((one) => entry(one.path, one.name))}</ul>
        </div>
      ))}
      {!isReadOnly && <AddFiles draft={draft} open={open} onOpen={onOpen} onChange={onChange} />}
    </nav>
  );
};

const AddFiles = ({ draft, open, onOpen, onChange }: Pick<PlaybookTreeProps, "draft" | "open" | "onOpen" | "onChange">) => {
  const [path, setPath] = useState("");
  const [isTaken, setTaken] = useState(false);
  const store = useStoreFile();
  const folder = open === MAIN ? "" : open.slice(0, open.lastIndexOf("/") + 1);
  const add = (): void => {
    const name = path.trim();
    const next = name === MAIN ? null : added(draft, name);
    setTaken(next === null);
    if (!next || !name) return;
    onChange(next);
    onOpen(name);
    setPath("");
  };
  const upload = async (files: readonly File[]): Promise<void> => {
    const stored = [];
    for (const file of files) stored.push({ name: `${folder}${file.name}`, ...(await store.mutateAsync(file)) });
    onChange(attached(draft, stored));
  };
  return (
    <form
      className={classes.adding}
      onSubmit={(event) => {
        event.preventDefault();
        add();
      }}
    >
      <TextInput
        label="New file"
        placeholder="roles/web/tasks/main.yml"
        size="xs"
        value={path}
        maxLength={255}
        error={isTaken ? "There is one of that name." : undefined}
        onChange={(event) => {
          setTaken(false);
          setPath(event.currentTarget.value);
        }}
      />
      <Group gap="xs" mt={6}>
        <Button size="compact-sm" variant="default" type="submit" disabled={!path.trim()}>
          Add file
        </Button>
        <FileButton multiple onChange={(files) => void upload(files).catch(() => undefined)}>
          {(props) => (
            <Button
              {...props}
              size="compact-sm"
              variant="default"
              loading={store.isPending}
              title={`Into ${folder || "the first folder"}`}
            >
              Upload…
            </Button>
          )}
        </FileButton>
      </Group>
      <ProblemAlert problem={store.error} />
    </form>
  );
};

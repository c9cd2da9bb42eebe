import { Group, Loader, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { type Assembly, type AssemblyFile, fileTextQuery } from "@/api/assemblies";
import { bytes } from "@/lib/bytes";
import { CodeEditor } from "@/ui/CodeEditor";
import type { CodeLanguage } from "@/ui/code-language";
import type { Place } from "@/ui/code-mirror";
import { IconAction } from "@/ui/IconAction";
import type { Draft } from "./draft";
import { removed, renamed } from "./tree";

interface PlaybookFileProps {
  draft: Draft;
  saved: Pick<Assembly, "id" | "revision" | "files"> | null;
  file: AssemblyFile;
  isReadOnly: boolean;
  faults: readonly Place[];
  goTo: Place | null;
  height: string;
  onChange: (patch: Partial<Draft>) => void;
  onOpen: (path: string | null) => void;
}

const MOST = 384 * 1024;

/** The texts of a playbook by the ends of their names. */
export const languageOfPath = (path: string): CodeLanguage => {
  if (/\.ya?ml$|(^|\/)(group|host)_vars\/[^/.]+$/i.test(path)) return "yaml";
  if (path.endsWith(".py")) return "python";
  if (path.endsWith(".json")) return "json";
  if (path.endsWith(".ps1")) return "powershell";
  return path.endsWith(".sh") ? "shell" : "text";
};

/** One file of the tree: its path, and its text where it is one. */
export const PlaybookFile = (props: PlaybookFileProps) => {
  const { draft, saved, file, isReadOnly, faults, goTo, height, onChange, onOpen } = props;
  const isSaved = saved?.files?.some((one) => one.name === file.name && one.sha256 === file.sha256) ?? false;
  const origin = saved?.files?.find((one) => one.sha256 === file.sha256) ?? file;
  const written = draft.texts[file.name];
  const known = saved !== null && (isSaved || origin !== file) && file.size <= MOST && written === undefined;
  const asked = useQuery({ ...fileTextQuery(saved?.id ?? "", saved?.revision ?? 0, origin), enabled: known });
  const text = written ?? asked.data;
  const isText = text !== undefined && !/[\0\uFFFD]/.test(text);
  return (
    <>
      <Group gap="xs" mb={6} align="flex-end" wrap="nowrap">
        <PathField key={file.name} {...{ draft, file, isReadOnly, onChange, onOpen }} />
        {!isReadOnly && (
          <IconAction
            label={`Remove ${file.name}`}
            icon="delete"
            onClick={() => {
              onChange(removed(draft, file.name));
              onOpen(null);
            }}
          />
        )}
      </Group>
      {isText ? (
        <CodeEditor
          key={file.name}
          label={file.name}
          value={text}
          language={languageOfPath(file.name)}
          height={height}
          faults={faults}
          goTo={goTo}
          onChange={isReadOnly ? undefined : (next) => onChange({ texts: { ...draft.texts, [file.name]: next } })}
        />
      ) : known && asked.isPending ? (
        <Loader size="sm" aria-label={`Reading ${file.name}`} />
      ) : (
        <Text size="sm" c="dimmed">
          {asked.error ? "Its content is no longer stored." : `It is not shown here: ${bytes(file.size)}, stored by its upload.`}
        </Text>
      )}
    </>
  );
};

const PathField = (props: Pick<PlaybookFileProps, "draft" | "file" | "isReadOnly" | "onChange" | "onOpen">) => {
  const { draft, file, isReadOnly, onChange, onOpen } = props;
  const [path, setPath] = useState(file.name);
  const [isTaken, setTaken] = useState(false);
  const rename = (): void => {
    const name = path.trim();
    if (!name || name === file.name) {
      setPath(file.name);
      return;
    }
    const next = renamed(draft, file.name, name);
    setTaken(next === null);
    if (!next) return;
    onChange(next);
    onOpen(name);
  };
  return (
    <TextInput
      label="Path"
      size="xs"
      style={{ flex: 1 }}
      value={path}
      maxLength={255}
      readOnly={isReadOnly}
      error={isTaken ? "There is one of that name." : undefined}
      onChange={(event) => setPath(event.currentTarget.value)}
      onBlur={rename}
      onKeyDown={(event) => event.key === "Enter" && rename()}
    />
  );
};

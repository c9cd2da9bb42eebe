import { Button, Group, SegmentedControl } from "@mantine/core";
import { useMemo, useState } from "react";
import { CodeEditor } from "@/ui/CodeEditor";
import classes from "./editor.module.css";
import { useEditorApi } from "./editor-context";
import { parseText } from "./read-document";
import { asYaml } from "./yaml";

/** The document itself: JSON that can be written, or YAML to be read and taken along. */
export const DocumentView = () => {
  const { doc, isReadOnly, apply } = useEditorApi();
  const [language, setLanguage] = useState<"json" | "yaml">("json");
  const [typed, setTyped] = useState<string | null>(null);
  const saved = useMemo(() => JSON.stringify(doc, null, 2), [doc]);
  const yaml = useMemo(() => asYaml(doc), [doc]);
  const read = typed === null || typed === saved ? null : parseText(typed);
  const isJson = language === "json";
  return (
    <div className={classes.stack}>
      <Group justify="space-between">
        <SegmentedControl
          size="xs"
          aria-label="Written as"
          data={[
            { value: "json", label: "JSON" },
            { value: "yaml", label: "YAML" },
          ]}
          value={language}
          onChange={(chosen) => setLanguage(chosen === "yaml" ? "yaml" : "json")}
        />
        {isJson && !isReadOnly && (
          <Group gap="xs">
            <Button variant="default" disabled={read === null} onClick={() => setTyped(null)}>
              Drop what I wrote
            </Button>
            <Button
              disabled={read === null || typeof read === "string"}
              onClick={() => {
                if (read !== null && typeof read !== "string") apply(read);
                setTyped(null);
              }}
            >
              Take it over
            </Button>
          </Group>
        )}
      </Group>
      {typeof read === "string" && isJson && (
        <p className={classes.error} role="alert">
          {read}
        </p>
      )}
      <CodeEditor
        key={language}
        label={isJson ? "Document as JSON" : "Document as YAML"}
        language={language}
        value={isJson ? (typed ?? saved) : yaml}
        height="clamp(20rem, calc(100dvh - 20rem), 60rem)"
        onChange={isReadOnly || !isJson ? undefined : setTyped}
      />
    </div>
  );
};

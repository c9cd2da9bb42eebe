import { Loader } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { pageNonce } from "@/lib/nonce";
import type { CodeLanguage } from "./code-language";
import type { EditorHandle, Place } from "./code-mirror";

interface CodeEditorProps {
  /** For those who cannot see that it is an editor: “Script”. */
  label: string;
  value: string;
  language: CodeLanguage;
  /** Read only without. */
  onChange?: (value: string) => void;
  height?: string;
  /** Where something is wrong. */
  faults?: readonly Place[];
  /** Where the cursor is to go; a new object goes there again. */
  goTo?: Place | null;
}

const NONE: readonly Place[] = [];

/** A text with colours and line numbers; to be written in where `onChange` is given. Its machinery is loaded when it is shown. */
export const CodeEditor = ({
  label,
  value,
  language,
  onChange,
  height = "24rem",
  faults = NONE,
  goTo = null,
}: CodeEditorProps) => {
  const place = useRef<HTMLDivElement>(null);
  const [editor, setEditor] = useState<EditorHandle | null>(null);
  const current = useRef({ value, onChange });
  useEffect(() => {
    current.current = { value, onChange };
  });
  const isWritable = onChange !== undefined;
  useEffect(() => {
    let made: EditorHandle | null = null;
    let isGone = false;
    void import("./code-mirror").then(({ createEditor }) => {
      if (isGone || !place.current) return;
      const told = isWritable ? (text: string) => current.current.onChange?.(text) : undefined;
      made = createEditor({ parent: place.current, text: current.current.value, label, nonce: pageNonce(), onChange: told });
      setEditor(made);
    });
    return () => {
      isGone = true;
      made?.destroy();
      setEditor(null);
    };
  }, [label, isWritable]);
  useEffect(() => editor?.setText(value), [editor, value]);
  useEffect(() => editor?.setLanguage(language), [editor, language]);
  const lines = faults.map((one) => one.line).join(" ");
  // Marks stand at places of a text: with another text they are set anew.
  useEffect(() => editor?.setFaults(lines ? lines.split(" ").map(Number) : []), [editor, lines, value]);
  useEffect(() => {
    if (goTo) editor?.goTo(goTo);
  }, [editor, goTo]);
  return (
    <div className="wb-panel" style={{ height, overflow: "hidden" }}>
      {!editor && <Loader size="sm" m="md" aria-label={`Loading: ${label}`} />}
      <div ref={place} style={{ height: "100%" }} />
    </div>
  );
};

import { Loader } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { pageNonce } from "@/lib/nonce";
import type { CodeLanguage } from "./code-language";
import type { EditorHandle } from "./code-mirror";

interface CodeEditorProps {
  /** For those who cannot see that it is an editor: “Script”. */
  label: string;
  value: string;
  language: CodeLanguage;
  /** Read only without. */
  onChange?: (value: string) => void;
  height?: string;
}

/** A text with colours and line numbers; to be written in where `onChange` is given. Its machinery is loaded when it is shown. */
export const CodeEditor = ({ label, value, language, onChange, height = "24rem" }: CodeEditorProps) => {
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
  return (
    <div className="wb-panel" style={{ height, overflow: "hidden" }}>
      {!editor && <Loader size="sm" m="md" aria-label={`Loading: ${label}`} />}
      <div ref={place} style={{ height: "100%" }} />
    </div>
  );
};

import { CodeEditor } from "./CodeEditor";
import type { CodeLanguage } from "./code-language";

const LINE_REM = 1.22;

/** A text to be read, as high as it is up to `maxLines`. */
export const CodeView = ({
  label,
  value,
  language,
  maxLines = 30,
}: {
  label: string;
  value: string;
  language: CodeLanguage;
  maxLines?: number;
}) => {
  const lines = Math.min(maxLines, value.split("\n").length);
  return <CodeEditor label={label} value={value} language={language} height={`${lines * LINE_REM + 0.6}rem`} />;
};

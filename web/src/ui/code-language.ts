import type { Extension } from "@codemirror/state";
import { StreamLanguage } from "@codemirror/language";

/** What a text is written in; the names are those of the Engine's interpreters, and two of files. */
export type CodeLanguage = "shell" | "python" | "powershell" | "yaml" | "json" | "text";

/** The Engine's interpreter as a language: `bash` and `sh` are shell; batch files have no grammar of their own here. */
export const languageOf = (interpreter: string): CodeLanguage => {
  if (interpreter === "bash" || interpreter === "sh") return "shell";
  if (interpreter.startsWith("python")) return "python";
  return interpreter === "powershell" || interpreter === "pwsh" ? "powershell" : "text";
};

/** A grammar is loaded when a text needs it. */
export const grammarOf = async (language: CodeLanguage): Promise<Extension> => {
  switch (language) {
    case "shell":
      return StreamLanguage.define((await import("@codemirror/legacy-modes/mode/shell")).shell);
    case "powershell":
      return StreamLanguage.define((await import("@codemirror/legacy-modes/mode/powershell")).powerShell);
    case "python":
      return (await import("@codemirror/lang-python")).python();
    case "yaml":
      return (await import("@codemirror/lang-yaml")).yaml();
    case "json":
      return (await import("@codemirror/lang-json")).json();
    case "text":
      return [];
  }
};

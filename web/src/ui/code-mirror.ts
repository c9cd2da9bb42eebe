import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { MergeView, unifiedMergeView } from "@codemirror/merge";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { Compartment, EditorState, type Extension, RangeSet } from "@codemirror/state";
import { Decoration, drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { type CodeLanguage, grammarOf } from "./code-language";

/** CodeMirror as the console uses it. Only `CodeEditor` and `DiffView` load this, when they are shown. */

const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.operatorKeyword, tags.controlKeyword], color: "var(--wb-live)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--wb-good)" },
  { tag: [tags.comment, tags.meta], color: "var(--wb-dim)", fontStyle: "italic" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--wb-warn)" },
  {
    tag: [tags.definition(tags.variableName), tags.propertyName, tags.standard(tags.variableName)],
    color: "var(--mantine-color-anchor)",
  },
  { tag: tags.invalid, color: "var(--wb-bad)" },
]);

const tint = (tone: string, percent: number): string => `color-mix(in srgb, var(--wb-${tone}) ${percent}%, transparent)`;

const CHANGED = {
  background: "none !important",
  textDecoration: "underline 2px",
  textUnderlineOffset: "3px",
};

const look = EditorView.theme({
  "&": { backgroundColor: "var(--wb-panel)", color: "var(--mantine-color-text)", fontSize: "0.8125rem", height: "100%" },
  ".cm-scroller": { fontFamily: "var(--mantine-font-family-monospace)", lineHeight: "1.5" },
  ".cm-gutters": { backgroundColor: "var(--wb-panel)", color: "var(--wb-dim)", borderRight: "1px solid var(--wb-line)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "var(--wb-row-hover)" },
  ".cm-cursor": { borderLeftColor: "var(--mantine-color-text)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--wb-row-focus) !important" },
  ".cm-panels": { backgroundColor: "var(--wb-page)", color: "inherit" },
  // The colours of differences are the console's own in both schemes; faint enough that every colour of code is read on them.
  "&.cm-merge-a .cm-changedLine, .cm-deletedChunk": { backgroundColor: tint("bad", 6) },
  "&.cm-merge-b .cm-changedLine": { backgroundColor: tint("good", 6) },
  "&.cm-merge-a .cm-changedText, .cm-deletedChunk .cm-deletedText": { ...CHANGED, textDecorationColor: "var(--wb-bad-bar)" },
  "&.cm-merge-b .cm-changedText": { ...CHANGED, textDecorationColor: "var(--wb-good-bar)" },
  "&.cm-merge-a .cm-changedLineGutter, .cm-deletedLineGutter": { background: "var(--wb-bad-bar) !important" },
  "&.cm-merge-b .cm-changedLineGutter": { background: "var(--wb-good-bar) !important" },
  ".cm-collapsedLines": { color: "var(--wb-dim) !important", background: "var(--wb-row-hover) !important" },
  ".cm-faultLine": { backgroundColor: tint("bad", 10), boxShadow: "inset 3px 0 0 var(--wb-bad-bar)" },
  "&.cm-focused": { outline: "2px solid var(--mantine-primary-color-filled)" },
});

const base = (nonce: string, label: string, isReadOnly: boolean): Extension => [
  lineNumbers(),
  drawSelection(),
  bracketMatching(),
  highlightSelectionMatches(),
  search({ top: true }),
  syntaxHighlighting(colours),
  look,
  EditorView.cspNonce.of(nonce),
  EditorView.contentAttributes.of({ "aria-label": label, "aria-readonly": String(isReadOnly), tabindex: "0" }),
  EditorState.readOnly.of(isReadOnly),
  keymap.of([...searchKeymap, ...defaultKeymap]),
];

/** Counted from 1. */
export interface Place {
  line: number;
  column: number;
}

export interface EditorHandle {
  setText: (text: string) => void;
  setLanguage: (language: CodeLanguage) => void;
  /** The lines on which something is wrong, counted from 1. */
  setFaults: (lines: readonly number[]) => void;
  goTo: (place: Place) => void;
  destroy: () => void;
}

/**
 * What is typed over selected text. Left to itself, Chromium gives it the colour of what was there as an inline style, which the
 * page's policy refuses and reports.
 */
const typeOver = EditorView.domEventHandlers({
  beforeinput: (event, view) => {
    const typed = event.inputType === "insertText" && !event.isComposing ? event.data : null;
    if (typed === null || view.state.selection.main.empty) return false;
    view.dispatch({ ...view.state.replaceSelection(typed), userEvent: "input.type", scrollIntoView: true });
    return true;
  },
});

interface EditorWords {
  parent: HTMLElement;
  text: string;
  label: string;
  nonce: string;
  /** Tab indents; Escape, then Tab, leaves. Read only without. */
  onChange?: (text: string) => void;
}

const FAULT = Decoration.line({ class: "cm-faultLine" });

export const createEditor = ({ parent, text, label, nonce, onChange }: EditorWords): EditorHandle => {
  const [grammar, faults] = [new Compartment(), new Compartment()];
  const writing = onChange
    ? [
        history(),
        indentOnInput(),
        typeOver,
        highlightActiveLine(),
        keymap.of([...historyKeymap, indentWithTab]),
        EditorView.updateListener.of((update) => update.docChanged && onChange(update.state.doc.toString())),
      ]
    : [];
  const view = new EditorView({
    parent,
    doc: text,
    extensions: [writing, base(nonce, label, !onChange), grammar.of([]), faults.of([])],
  });
  let wanted: CodeLanguage | null = null;
  return {
    setText: (next) => {
      if (next !== view.state.doc.toString()) view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: next } });
    },
    setLanguage: (language) => {
      wanted = language;
      void grammarOf(language).then((found) => wanted === language && view.dispatch({ effects: grammar.reconfigure(found) }));
    },
    setFaults: (lines) => {
      const { doc } = view.state;
      const known = [...new Set(lines)].filter((line) => line >= 1 && line <= doc.lines).sort((one, other) => one - other);
      const marks = RangeSet.of(known.map((line) => FAULT.range(doc.line(line).from)));
      view.dispatch({ effects: faults.reconfigure(EditorView.decorations.of(marks)) });
    },
    goTo: ({ line, column }) => {
      const found = view.state.doc.line(Math.min(Math.max(line, 1), view.state.doc.lines));
      view.dispatch({ selection: { anchor: Math.min(found.from + column - 1, found.to) }, scrollIntoView: true });
      view.focus();
    },
    destroy: () => {
      wanted = null;
      view.destroy();
    },
  };
};

interface DiffWords {
  parent: HTMLElement;
  before: string;
  after: string;
  labels: readonly [string, string];
  language: CodeLanguage;
  nonce: string;
  /** One text with what is gone and what is new below one another, where there is no room for two. */
  isStacked: boolean;
}

const FOLDED = { margin: 3, minSize: 6 };

/** What differs between two texts, what they share folded away. */
export const createDiff = async (words: DiffWords): Promise<{ destroy: () => void }> => {
  const { parent, before, after, labels, language, nonce, isStacked } = words;
  const grammar = await grammarOf(language);
  const side = (label: string): Extension => [base(nonce, label, true), EditorView.lineWrapping, grammar];
  if (isStacked) {
    const unified = unifiedMergeView({ original: before, mergeControls: false, gutter: true, collapseUnchanged: FOLDED });
    return new EditorView({ parent, doc: after, extensions: [side(`${labels[0]}, ${labels[1]}`), unified] });
  }
  return new MergeView({
    parent,
    a: { doc: before, extensions: side(labels[0]) },
    b: { doc: after, extensions: side(labels[1]) },
    collapseUnchanged: FOLDED,
    gutter: true,
  });
};

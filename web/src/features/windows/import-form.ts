import type { ImportWords } from "@/api/windows";
import { type Attachment, isWhole } from "./window-form";

/** A calendar file that is to become a window, and what is said beside it. */
export interface ImportDraft {
  file: { name: string; text: string } | null;
  name: string;
  kind: "allow" | "deny";
  when_closed: "skip" | "defer";
  timezone: string | null;
  attachments: readonly Attachment[];
}

export const EMPTY_IMPORT: ImportDraft = {
  file: null,
  name: "",
  kind: "deny",
  when_closed: "skip",
  timezone: null,
  attachments: [{ kind: "site" }],
};

/** A file that is chosen names the window, unless somebody has. */
export const withFile = (draft: ImportDraft, name: string, text: string): ImportDraft => ({
  ...draft,
  file: { name, text },
  name: draft.name || name.replace(/\.(ics|ical|ifb)$/i, ""),
});

/** What it covers, as the address of the import says it: `site:3`. */
export const attachText = (one: Attachment): string => {
  const id = one.site_id ?? one.device_id ?? one.job_id ?? one.filter_id;
  return one.kind === "global" ? "global" : `${one.kind}:${id ?? ""}`;
};

/** What the Engine can be asked already; or what is lacking for that, in a sentence. */
export const askable = (draft: ImportDraft): { words: ImportWords | null; lacking: string | null } => {
  const { name, kind, when_closed, timezone, attachments } = draft;
  if (!draft.file) return { words: null, lacking: "Choose a file first." };
  if (!name.trim()) return { words: null, lacking: "It has no name yet." };
  if (attachments.length === 0 || !attachments.every(isWhole))
    return { words: null, lacking: "Say what it covers: then you see what becomes of the events." };
  const words = { name: name.trim(), kind, when_closed, attach: attachments.map(attachText) };
  return { words: timezone === null ? words : { ...words, timezone }, lacking: null };
};

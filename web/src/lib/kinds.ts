const WORDS: Readonly<Record<string, string>> = {
  schedule: "by its schedule",
  manual: "by hand",
  rerun: "run again",
  backfill: "for a past instant",
};

/** How an occurrence came about, and by whom. What repeats none was started for the first time. */
export const kindInWords = (kind: string, who: string | null, hasOrigin: boolean): string => {
  const how = WORDS[kind === "rerun" && !hasOrigin ? "manual" : kind] ?? kind.replaceAll("_", " ");
  return who ? `${how}, by ${who}` : how;
};

/** Whether jobs in this context are entered by the Engine over the network: playbooks are. */
export const isRemote = (context: string): boolean => context.startsWith("ssh") || context.startsWith("winrm");

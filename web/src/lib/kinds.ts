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

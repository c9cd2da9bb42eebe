const WORDS: Readonly<Record<string, string>> = {
  schedule: "by its schedule",
  manual: "by hand",
  rerun: "run again",
  backfill: "for a past instant",
};

/** How an occurrence came about, and by whom. */
export const kindInWords = (kind: string, who: string | null): string => {
  const how = WORDS[kind] ?? kind.replaceAll("_", " ");
  return who ? `${how}, by ${who}`.replace("by hand, by", "by hand by") : how;
};

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

const CONTEXTS: Readonly<Record<string, string>> = {
  system: "as SYSTEM",
  current_user: "as who is signed in",
  ssh: "by SSH, in one run for each site",
  ssh_individual: "by SSH, in a run for each device",
  winrm: "by WinRM, in one run for each site",
  winrm_individual: "by WinRM, in a run for each device",
};

/** With whose rights, or by which way, a run works on its devices. */
export const contextInWords = (context: string): string => CONTEXTS[context] ?? `as ${context.replaceAll("_", " ")}`;

/** Whether jobs in this context are entered by the Engine over the network: playbooks are. */
export const isRemote = (context: string): boolean => context.startsWith("ssh") || context.startsWith("winrm");

import type { Approval } from "@/api/approvals";

/** What is odd about a request, in a sentence; null where nothing is. */
export const oddness = (one: Approval, all: readonly Approval[]): string | null => {
  if (one.state !== "pending") return null;
  if (one.conflict === "key") return "Its key is, or was, the key of a known device.";
  if (one.conflict === "hostname") return `“${one.site_name}” already has a device of this name.`;
  const same = all.filter((other) => isTwin(one, other)).length;
  if (same === 0) return null;
  return same === 1 ? "Another machine of this name waits too." : `${same} other machines of this name wait too.`;
};

const isTwin = (one: Approval, other: Approval): boolean =>
  other.id !== one.id &&
  other.state === "pending" &&
  other.site_id === one.site_id &&
  other.hostname.toLowerCase() === one.hostname.toLowerCase();

/** Those that a decision about many can approve, and those that each need a word of their own. */
export const approvable = (chosen: readonly Approval[]): { plain: Approval[]; clashing: Approval[] } => ({
  plain: chosen.filter((one) => one.conflict === null),
  clashing: chosen.filter((one) => one.conflict !== null),
});

/** `sha256:ab12 cd34 …`: in groups of four, as two people read it to each other. */
export const readableFingerprint = (fingerprint: string): string => {
  const [kind = "", hex = ""] = fingerprint.split(":");
  return `${kind}:${(hex.match(/.{1,4}/g) ?? []).join(" ")}`;
};

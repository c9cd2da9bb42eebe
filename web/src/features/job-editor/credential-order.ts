import type { CredentialKind } from "@/api/credentials";
import type { Platform } from "./onboarding-form";

/** Which kinds of credentials open machines of a platform. */
export const kindsOf = (platform: Platform): readonly CredentialKind[] =>
  platform === "auto" ? ["ssh", "winrm"] : platform === "linux" ? ["ssh"] : ["winrm"];

/** The list with the one at a place so many steps on; at its ends it stays. */
export const moved = <T>(list: readonly T[], at: number, step: number): T[] => {
  const next = [...list];
  const [one] = next.splice(at, 1);
  if (one !== undefined) next.splice(Math.max(0, at + step), 0, one);
  return next;
};

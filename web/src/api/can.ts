import type { Schemas } from "./client";

/** What the Engine says may be done with a thing. A rule is never repeated here: a control that is off says the Engine's reason. */
export type Allowed = Schemas["JobAction"];

export interface Can {
  allowed: boolean;
  /** Why not; null where it may be done. */
  reason: string | null;
}

export const can = (thing: { allowed_actions: readonly Allowed[] } | undefined, action: string): Can => {
  const found = thing?.allowed_actions.find((one) => one.action === action);
  if (!found) return { allowed: false, reason: thing ? "This cannot be done with it." : "It is still being read." };
  return { allowed: found.allowed, reason: found.reason };
};

import { toInstant } from "@/lib/time";

export const LIFETIMES = [
  { value: "7", label: "in 7 days" },
  { value: "30", label: "in 30 days" },
  { value: "90", label: "in 90 days" },
  { value: "365", label: "in a year" },
  { value: "at", label: "at a time of its own" },
  { value: "never", label: "never" },
] as const;

export type Lifetime = (typeof LIFETIMES)[number]["value"];

const DAY = 86_400_000;

/** When a token of that lifetime ends; null = never. `at`: what stands in the field for a time of its own. */
export const expiryOf = (lifetime: Lifetime, at: string, now: Date): string | null => {
  if (lifetime === "never") return null;
  if (lifetime === "at") return toInstant(at);
  return new Date(now.getTime() + Number(lifetime) * DAY).toISOString();
};

export type TokenState = "active" | "expired" | "revoked";

export const tokenState = (token: { expires_at: string | null; revoked_at: string | null }, now: Date): TokenState => {
  if (token.revoked_at) return "revoked";
  return token.expires_at && new Date(token.expires_at) <= now ? "expired" : "active";
};

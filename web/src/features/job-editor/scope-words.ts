import type { ScopeLine, ScopeReply } from "@/api/onboarding";

/** What a line of a scope is, and what the whole comes to, in a few words. */

export const addresses = (count: number): string => `${count.toLocaleString("en")} ${count === 1 ? "address" : "addresses"}`;

const KINDS: Readonly<Record<ScopeLine["kind"], (count: number) => string>> = {
  blank: () => "",
  comment: () => "a comment",
  address: () => "an address",
  range: (count) => `a range: ${addresses(count)}`,
  network: (count) => `a network: ${addresses(count)}`,
  name: () => "a name",
  several: (count) => `several: ${addresses(count)}`,
  bad: () => "",
};

export const lineInWords = ({ kind, count, note }: ScopeLine): string => [KINDS[kind](count), note].filter(Boolean).join(" · ");

/** What is looked at, of what is allowed. */
export const totalInWords = ({ count, excluded_count, most }: ScopeReply): string => {
  const left = excluded_count ? `, ${excluded_count.toLocaleString("en")} left out` : "";
  return `${addresses(count)} in all${left}; at most ${most.toLocaleString("en")} are allowed.`;
};

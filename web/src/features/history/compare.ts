import type { Occurrence, OutputGroup } from "@/api/runs";

/** What differs between two occurrences. Pure. */

type Component = Occurrence["runs"][number]["components"][number];

export interface ComparedComponent {
  position: number;
  before: Component | null;
  after: Component | null;
  /** The same content, whatever its revision. */
  isSame: boolean;
}

export const componentsOf = (one: Occurrence): Component[] => one.runs[0]?.components ?? [];

export const compareComponents = (before: readonly Component[], after: readonly Component[]): ComparedComponent[] =>
  Array.from({ length: Math.max(before.length, after.length) }, (_, position) => {
    const [first, second] = [before[position] ?? null, after[position] ?? null];
    const isSame = first?.content_sha256 === second?.content_sha256 && first?.assembly_id === second?.assembly_id;
    return { position, before: first, after: second, isSame };
  });

export interface ChangedValue {
  name: string;
  before: string | null;
  after: string | null;
}

/** Variables of a component that are not the same; null = not given. A secret is told as set, never shown. */
export const changedVariables = ({ before, after }: ComparedComponent): ChangedValue[] => {
  const [first, second] = [before?.variables ?? {}, after?.variables ?? {}];
  return [...new Set([...Object.keys(first), ...Object.keys(second)])]
    .sort()
    .map((name) => ({ name, before: said(first[name]), after: said(second[name]) }))
    .filter((one) => one.before !== one.after);
};

/** A value as people write it. */
export const said = (value: unknown): string | null => {
  if (value === undefined || value === null) return null;
  if (typeof value === "string") return value;
  if (typeof value === "object" && "is_set" in value) return "•••";
  return JSON.stringify(value);
};

export interface ComparedGroup {
  name: string;
  group: OutputGroup;
  before: number;
  after: number;
}

/** Outputs of both by their name, which is the same for the same: first what only the later one has, then what only the earlier has. */
export const compareGroups = (before: readonly OutputGroup[], after: readonly OutputGroup[]): ComparedGroup[] => {
  const all = new Map<string, ComparedGroup>();
  for (const group of before) all.set(group.output, { name: group.output, group, before: group.devices, after: 0 });
  for (const group of after) {
    const known = all.get(group.output);
    all.set(group.output, { name: group.output, group, before: known?.before ?? 0, after: group.devices });
  }
  const rank = (one: ComparedGroup): number => (one.before === 0 ? 0 : one.after === 0 ? 1 : 2);
  return [...all.values()].sort((one, other) => rank(one) - rank(other) || other.before + other.after - (one.before + one.after));
};

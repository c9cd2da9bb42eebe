import { canonical, draftOf, type Draft, keptOf, shownOf } from "./form";

/** What differs between two drafts, field by field as the API's revisions tell it; and what two people changed at the same time. */

export interface Change {
  field: string;
  before: unknown;
  after: unknown;
}

type Json = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);
const isSame = (one: unknown, other: unknown): boolean => canonical(one ?? null) === canonical(other ?? null);
const join = (path: string, name: string | number): string => (path ? `${path}.${name}` : String(name));

/** What tells a target from the others of its list: a device's id, `filter:12`, `site:3`, `all_devices`. */
export const labelOf = (target: unknown): string => {
  if (!isObject(target)) return canonical(target);
  const kind = String(target["kind"]);
  if (kind === "device") return String(target["device_id"]);
  return kind === "all_devices" ? kind : `${kind}:${String(target[`${kind}_id`])}`;
};

const TARGETS = new Set(["targets", "exclusions", "policies.waves.canary.targets"]);

/** The one scope of a job that looks for machines, which is no list of targets. */
const scopeOf = (list: unknown): Json | null => {
  const [one] = asList(list);
  return isObject(one) && one["kind"] === "onboarding_scope" ? one : null;
};

export const changesBetween = (before: Draft, after: Draft): Change[] => differ(shownOf(before), shownOf(after), "");

const differ = (before: unknown, after: unknown, path: string): Change[] => {
  if (isSame(before, after)) return [];
  const [old, now] = [scopeOf(before), scopeOf(after)];
  if (path === "targets" && old && now) return differ(old, now, "targets.0");
  if (TARGETS.has(path)) return differTargets(asList(before), asList(after), path);
  if (isObject(before) && isObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => differ(before[name], after[name], join(path, name)));
  }
  if (path === "components" && Array.isArray(before) && Array.isArray(after)) {
    return Array.from({ length: Math.max(before.length, after.length) }).flatMap((_, at) =>
      differ(before[at] ?? null, after[at] ?? null, join(path, at)),
    );
  }
  return [{ field: path, before: before ?? null, after: after ?? null }];
};

const asList = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

const differTargets = (before: unknown[], after: unknown[], path: string): Change[] => {
  const gone = before.filter((one) => !after.some((other) => isSame(one, other)));
  const come = after.filter((one) => !before.some((other) => isSame(one, other)));
  const told = [
    ...gone.map((one) => ({ field: join(path, labelOf(one)), before: one, after: null })),
    ...come.map((one) => ({ field: join(path, labelOf(one)), before: null, after: one })),
  ];
  return told.length ? told : [{ field: join(path, "order"), before: null, after: null }];
};

export interface Rebased {
  draft: Draft;
  /** Fields that both changed, each to something else: mine are kept. */
  clashes: Change[];
}

/** My changes of `base` made once more on what somebody else saved meanwhile. */
export const rebase = (base: Draft, mine: Draft, theirs: Draft): Rebased => {
  const clashes: Change[] = [];
  const merged = merge({ base: keptOf(base), mine: keptOf(mine), theirs: keptOf(theirs) }, "", clashes);
  return { draft: { ...draftOf(merged as Parameters<typeof draftOf>[0]), enabled: mine.enabled }, clashes };
};

interface Three {
  base: unknown;
  mine: unknown;
  theirs: unknown;
}

const merge = ({ base, mine, theirs }: Three, path: string, clashes: Change[]): unknown => {
  if (isSame(mine, base)) return theirs;
  if (isSame(theirs, base) || isSame(mine, theirs)) return mine;
  const scopes = { base: scopeOf(base), mine: scopeOf(mine), theirs: scopeOf(theirs) };
  if (path === "targets" && scopes.base && scopes.mine && scopes.theirs) return [merge(scopes, "targets.0", clashes)];
  if (TARGETS.has(path)) return mergeTargets(asList(base), asList(mine), asList(theirs));
  if (isObject(base) && isObject(mine) && isObject(theirs)) {
    const names = [...new Set([...Object.keys(theirs), ...Object.keys(mine)])];
    const parts = names.map((name) => {
      const three = { base: base[name], mine: mine[name], theirs: theirs[name] };
      return [name, merge(three, join(path, name), clashes)] as const;
    });
    return Object.fromEntries(parts.filter(([, value]) => value !== undefined));
  }
  if (path === "components" && isAligned(base, mine) && isAligned(base, theirs)) {
    return asList(mine).map((one, at) =>
      merge({ base: asList(base)[at], mine: one, theirs: asList(theirs)[at] }, join(path, at), clashes),
    );
  }
  clashes.push({ field: path, before: masked(theirs), after: masked(mine) });
  return mine;
};

/** The same assemblies in the same order. */
const isAligned = (one: unknown, other: unknown): boolean =>
  isSame(asList(one).map(assemblyOf), asList(other).map(assemblyOf)) && asList(one).length > 0;

const assemblyOf = (component: unknown): unknown => (isObject(component) ? component["assembly_id"] : null);

const mergeTargets = (base: unknown[], mine: unknown[], theirs: unknown[]): unknown[] => {
  const holds = (list: unknown[], one: unknown): boolean => list.some((other) => isSame(one, other));
  const kept = theirs.filter((one) => holds(mine, one) || !holds(base, one));
  return [...kept, ...mine.filter((one) => !holds(base, one) && !holds(theirs, one))];
};

const masked = (value: unknown): unknown => {
  if (!isObject(value)) return value ?? null;
  if ("typed_secret" in value) return { is_set: "anew" };
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, masked(inner)]));
};

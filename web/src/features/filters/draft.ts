import type { Filter, FilterAim, FilterBody } from "@/api/filters";
import { isComplete } from "./fields";
import { criteriaOf, emptyTree, type Group } from "./tree";
import { type Fields, jsonOf, treeOf } from "./tree-json";

/** A filter while it is written. */
export interface Draft {
  name: string;
  description: string;
  site_mode: FilterBody["site_mode"];
  site_ids: readonly number[];
  root: Group;
}

export const draftOf = (filter: Filter | null): Draft => ({
  name: filter?.name ?? "",
  description: filter?.description ?? "",
  site_mode: filter?.site_mode ?? "all",
  site_ids: filter?.site_ids ?? [],
  root: filter ? treeOf(filter.criteria) : emptyTree(),
});

/** The same when it is looked at; a group that was added and taken away again changes nothing. */
export const isSame = (one: Draft, other: Draft): boolean => JSON.stringify(one) === JSON.stringify(other);

export const bodyOf = (draft: Draft, fields: Fields): FilterBody => ({
  name: draft.name.trim(),
  description: draft.description,
  ...aimOf(draft, fields),
});

const aimOf = (draft: Draft, fields: Fields) => ({
  criteria: jsonOf(draft.root, fields),
  site_mode: draft.site_mode,
  site_ids: [...draft.site_ids],
});

/** What can be looked for already; or what is lacking for that, in a sentence. */
export const asked = (draft: Draft, fields: Fields): { aim: FilterAim | null; lacking: string | null } => {
  const open = criteriaOf(draft.root).filter((one) => !isComplete(one, fields.get(one.field))).length;
  if (open > 0) {
    const whole = open === 1 ? "A criterion is not filled in yet." : `${open} criteria are not filled in yet.`;
    return { aim: null, lacking: whole };
  }
  if (draft.site_mode !== "all" && draft.site_ids.length === 0) return { aim: null, lacking: "No site is chosen yet." };
  return { aim: aimOf(draft, fields), lacking: null };
};

import type { FilterField } from "@/api/filters";
import type { Group } from "./tree";
import type { Placed } from "./tree-errors";

export interface Choice {
  value: string;
  label: string;
}

/** What every node of the tree needs to know of the whole. */
export interface TreeContext {
  root: Group;
  fields: ReadonlyMap<string, FilterField>;
  sites: readonly Choice[];
  wrong: ReadonlyMap<number, readonly Placed[]>;
  /** The criterion that was added last: the focus goes there. */
  fresh: number | null;
  isReadOnly: boolean;
  onChange: (root: Group, fresh?: number) => void;
}

import type { IconName } from "@/ui/icons";

export const GROUPS = ["Automation", "Inventory", "Settings"] as const;

/** A screen as the navigation, the command palette and the keyboard know it. */
export interface NavEntry {
  to: string;
  group: (typeof GROUPS)[number];
  label: string;
  icon: IconName;
  /** Two keys that lead there, such as `g j`. */
  keys?: string;
}

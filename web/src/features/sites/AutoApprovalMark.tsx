import type { Site } from "@/api/sites";
import { duration } from "@/lib/time";
import { useNow } from "@/lib/use-now";
import { Icon } from "@/ui/icons";
import classes from "./sites.module.css";

/** Whether new devices come in without a person's word, and for how long yet. */
export const AutoApprovalMark = ({ site }: { site: Site }) => {
  const left = useSecondsLeft(site);
  if (left <= 0) return <span className={classes.dim}>wait for approval</span>;
  return (
    <span className={classes.open} data-tone="warn">
      <Icon name="warning" size={14} />
      approved for {duration(left >= 120 ? Math.ceil(left / 60) * 60 : left)} yet
    </span>
  );
};

/** Of the time in which nobody is asked; 0 where there is none. */
export const useSecondsLeft = (site: Site): number => {
  const now = useNow();
  if (!site.auto_approve_until) return 0;
  return Math.max(0, (new Date(site.auto_approve_until).getTime() - now.getTime()) / 1000);
};

import type { Recap } from "@/api/runs";
import classes from "./run-table.module.css";
import { COUNTERS, tone } from "./recap";

/** What a playbook did on a device, as short as Ansible says it; counters of nothing are left out. */
export const RecapChips = ({ recap }: { recap: Recap }) => {
  const said = COUNTERS.filter((one) => recap[one] > 0);
  return (
    <span className={classes.recap} title="As Ansible counts: tasks that came out so; ok has those too that changed something.">
      {said.length === 0 && <span>no task has ended</span>}
      {said.map((one) => (
        <span key={one} data-tone={tone(one, recap[one])}>
          {one} {recap[one].toLocaleString("en")}
        </span>
      ))}
    </span>
  );
};

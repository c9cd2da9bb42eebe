import { Button } from "@mantine/core";
import { useState } from "react";
import { Icon, type IconName } from "@/ui/icons";
import { BulkDialog, type BulkKind } from "./BulkDialog";
import classes from "./jobs.module.css";

const KINDS: readonly (readonly [BulkKind, string, IconName])[] = [
  ["run", "Run now…", "run"],
  ["pause", "Pause…", "pause"],
  ["resume", "Resume…", "resume"],
  ["tag", "Tag…", "tag"],
  ["delete", "Delete…", "delete"],
];

/** What can be done with the selected jobs at once. Each asks first, with the number of jobs that it hits. */
export const BulkBar = ({ jobIds, onClear }: { jobIds: readonly number[]; onClear: () => void }) => {
  const [kind, setKind] = useState<BulkKind | null>(null);
  if (jobIds.length === 0) return null;
  return (
    <div className={`wb-panel ${classes.bulk}`} role="toolbar" aria-label="Actions on the selected jobs">
      <strong>{jobIds.length.toLocaleString("en")} selected</strong>
      {KINDS.map(([one, label, icon]) => (
        <Button
          key={one}
          variant="default"
          color={one === "delete" ? "red" : undefined}
          leftSection={<Icon name={icon} size={14} />}
          onClick={() => setKind(one)}
        >
          {label}
        </Button>
      ))}
      <Button variant="subtle" color="gray" onClick={onClear}>
        Clear selection
      </Button>
      {kind && <BulkDialog kind={kind} jobIds={jobIds} onClose={() => setKind(null)} onDone={onClear} />}
    </div>
  );
};

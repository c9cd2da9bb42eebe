import { Button } from "@mantine/core";
import { useState } from "react";
import { type Site, useSetAutoApproval } from "@/api/sites";
import { duration } from "@/lib/time";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { TitledPanel } from "@/ui/TitledPanel";
import { AutoApprovalMark, useSecondsLeft } from "./AutoApprovalMark";
import classes from "./sites.module.css";

const CHOICES: readonly (readonly [number, string])[] = [
  [15, "15 minutes"],
  [60, "1 hour"],
  [480, "8 hours"],
];

/** The time in which new devices of a site need nobody's word: how long yet, longer, and its end. */
export const AutoApprovalPanel = ({ site, reason }: { site: Site; reason: string | null }) => {
  const [asked, setAsked] = useState<number | null>(null);
  const set = useSetAutoApproval();
  const isOpen = useSecondsLeft(site) > 0;
  return (
    <TitledPanel
      title="Approval without asking"
      actions={
        isOpen && (
          <Button
            variant="default"
            leftSection={<Icon name="close" size={14} />}
            loading={set.isPending}
            disabled={reason !== null}
            title={reason ?? undefined}
            onClick={() => set.mutate({ site, minutes: 0 })}
          >
            End it now
          </Button>
        )
      }
    >
      <p style={{ marginTop: 0 }}>
        {isOpen ? (
          <>
            New devices: <AutoApprovalMark site={site} />, until{" "}
            <Instant at={site.auto_approve_until} siteZone={site.timezone} show="absolute" />.
          </>
        ) : (
          "Every new device waits for somebody’s yes. Where many come at once, they may come in unasked for a time."
        )}{" "}
        A machine that clashes with a known device waits in any case.
      </p>
      <div className={classes.row} role="group" aria-label="Approve new devices without asking">
        <span>{isOpen ? "From now on for" : "Approve without asking for"}</span>
        {CHOICES.map(([minutes, label]) => (
          <Button
            key={minutes}
            variant="default"
            disabled={reason !== null}
            title={reason ?? undefined}
            onClick={() => setAsked(minutes)}
          >
            {label}
          </Button>
        ))}
      </div>
      {asked !== null && (
        <ConfirmDialog
          opened
          danger
          title="Approve without asking"
          confirm={`Approve for ${duration(asked * 60)}`}
          busy={set.isPending}
          onClose={() => setAsked(null)}
          onConfirm={() => set.mutate({ site, minutes: asked }, { onSettled: () => setAsked(null) })}
        >
          For {duration(asked * 60)} whoever has the enrolment code of “{site.name}” comes in without a person’s word, and jobs
          for this site run there.
        </ConfirmDialog>
      )}
    </TitledPanel>
  );
};

import { Button } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { countWaiting, deviceWaitingQuery, usePurgeWaiting } from "@/api/device-waiting";
import type { Device } from "@/api/devices";
import { asProblem } from "@/api/problem";
import { key } from "@/api/query";
import { paths } from "@/lib/paths";
import { AppLink } from "@/ui/AppLink";
import { ConfirmDialog } from "@/ui/ConfirmDialog";
import { Icon } from "@/ui/icons";
import { Instant } from "@/ui/Instant";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { StateBadge } from "@/ui/StateBadge";
import { TitledPanel } from "@/ui/TitledPanel";
import classes from "./devices.module.css";

/** Work that waits for this device: until when, and how to withdraw it. */
export const WaitingPanel = ({ device, reason }: { device: Device; reason: string | null }) => {
  const [isPurging, setIsPurging] = useState(false);
  const waiting = useInfiniteQuery(deviceWaitingQuery(device.id));
  const rows = waiting.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <TitledPanel
      title="Waiting for it"
      flush
      actions={
        rows.length > 0 && (
          <Button
            variant="subtle"
            leftSection={<Icon name="cancelled" size={13} />}
            disabled={reason !== null}
            title={reason ?? undefined}
            onClick={() => setIsPurging(true)}
          >
            Withdraw…
          </Button>
        )
      }
    >
      {waiting.error && <ProblemAlert problem={asProblem(waiting.error)} onRetry={() => void waiting.refetch()} />}
      {waiting.data && rows.length === 0 && <div className={classes.none}>Nothing waits.</div>}
      <ul className={classes.rows}>
        {rows.map((row) => (
          <li key={row.target_id}>
            <AppLink to={paths.jobRun(row.job_id, row.occurrence_id)}>{row.job_name}</AppLink>
            <StateBadge plain state={row.state} detail={row.detail} />
            <small>
              {row.detail ??
                (row.starts_at ? (
                  <>
                    starts <Instant at={row.starts_at} />
                  </>
                ) : (
                  "for its turn"
                ))}
            </small>
            <small>
              expires <Instant at={row.expires_at} show="relative" />
            </small>
          </li>
        ))}
        {waiting.hasNextPage && (
          <li>
            <Button variant="subtle" loading={waiting.isFetchingNextPage} onClick={() => void waiting.fetchNextPage()}>
              Show more
            </Button>
          </li>
        )}
      </ul>
      {isPurging && <PurgeDialog device={device} onClose={() => setIsPurging(false)} />}
    </TitledPanel>
  );
};

const PurgeDialog = ({ device, onClose }: { device: Device; onClose: () => void }) => {
  const counted = useQuery({
    queryKey: key("waiting", "counted", device.id),
    queryFn: () => countWaiting(device.id),
    staleTime: 0,
    gcTime: 0,
  });
  const purge = usePurgeWaiting();
  const rows = counted.data ?? 0;
  const many = `${rows.toLocaleString("en")} ${rows === 1 ? "start" : "starts"}`;
  return (
    <ConfirmDialog
      opened
      danger
      title="Withdraw what waits"
      confirm={`Withdraw ${many}`}
      reason={{ label: "Why", required: true }}
      busy={purge.isPending}
      problem={purge.error ?? (counted.error ? asProblem(counted.error) : null)}
      blocked={counted.isPending ? "Being counted." : rows === 0 ? "Nothing waits any more." : null}
      onClose={onClose}
      onConfirm={(reason) =>
        purge.mutate({ device, reason, expected: rows }, { onSuccess: onClose, onError: () => void counted.refetch() })
      }
    >
      {many} that wait for “{device.hostname}” are withdrawn, and end as cancelled there. What runs on it goes on.
    </ConfirmDialog>
  );
};

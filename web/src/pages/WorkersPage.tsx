import { Group, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useMay } from "@/api/session";
import { useSites } from "@/api/sites";
import { type Workers, workersQuery } from "@/api/workers";
import { failedColumns, laneColumns, processColumns } from "@/features/workers/worker-columns";
import { standing } from "@/features/workers/worker-words";
import { Duration } from "@/ui/Duration";
import { EmptyState } from "@/ui/EmptyState";
import { PageHeader } from "@/ui/PageHeader";
import { PlainTable } from "@/ui/PlainTable";
import { ProblemAlert } from "@/ui/ProblemAlert";
import { Reading } from "@/ui/Reading";
import { TitledPanel } from "@/ui/TitledPanel";

/** Settings > Workers and services: whether the Engine's processes live, what they hold, and what waits for them. */
const WorkersPage = () => {
  const { data, error, refetch } = useQuery(workersQuery());
  const { reason } = useMay("services:write");
  return (
    <>
      <PageHeader title="Workers and services">
        The processes of the Engine, their last sign of life, and the work that waits for them.
      </PageHeader>
      {error && !data && <ProblemAlert problem={error} onRetry={reason ? undefined : () => void refetch()} />}
      {!error && !data && <Reading what="processes" />}
      {data && <Found workers={data} />}
    </>
  );
};

const Found = ({ workers }: { workers: Workers }) => {
  const sites = useSites();
  const nameOf = (id: number | null): string =>
    id === null ? "No site" : (sites.find((one) => one.id === id)?.name ?? `Site ${id}`);
  const { sentence, tone } = standing(workers);
  return (
    <Stack gap="sm">
      <Group gap="sm" data-tone={tone} role="status">
        <Text size="sm" fw={600} c="var(--tone)">
          {sentence}
        </Text>
        <Text size="sm" c="dimmed">
          {workers.agents.toLocaleString("en")} {workers.agents === 1 ? "device is" : "devices are"} connected. A process that
          gives no sign of life for <Duration seconds={workers.silent_after_seconds} /> counts as gone.
        </Text>
      </Group>
      <TitledPanel title="Processes" flush>
        <PlainTable label="Processes" rows={workers.processes} rowId={(one) => one.id} columns={processColumns(nameOf)} />
      </TitledPanel>
      <TitledPanel title="Queue" flush={workers.lanes.length > 0}>
        {workers.lanes.length === 0 ? (
          <EmptyState icon="done" title="Nothing waits for a worker.">
            Site workers end by themselves when there is nothing to do, and start with the next work.
          </EmptyState>
        ) : (
          <PlainTable
            label="Queue"
            rows={workers.lanes}
            rowId={(one) => `${one.site_id ?? 0} ${one.lane}`}
            columns={laneColumns(nameOf)}
          />
        )}
      </TitledPanel>
      {workers.failed.length > 0 && (
        <TitledPanel title="Given up in the last seven days" flush>
          <PlainTable
            label="Work that was given up"
            rows={workers.failed}
            rowId={(one) => String(one.id)}
            columns={failedColumns(nameOf)}
          />
        </TitledPanel>
      )}
    </Stack>
  );
};

export default WorkersPage;

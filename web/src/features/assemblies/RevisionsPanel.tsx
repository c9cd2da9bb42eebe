import { Button, Group, Loader, Select, Stack, Text } from "@mantine/core";
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { type AssemblyRevision, revisionQuery, revisionsQuery } from "@/api/assemblies";
import { Instant } from "@/ui/Instant";
import { ProblemAlert } from "@/ui/ProblemAlert";
import classes from "./assemblies.module.css";
import { AssemblyDiff } from "./AssemblyDiff";
import { changedInWords } from "./in-words";

export interface Compared {
  from: number | null;
  to: number | null;
}

interface RevisionsPanelProps {
  assemblyId: string;
  latest: number;
  compared: Compared;
  onCompare: (compared: Compared) => void;
  /** Bring an old one back into the editor; none where nothing may be changed. */
  onEditFrom?: (revision: AssemblyRevision) => void;
}

/** Every save, newest first, and what differs between two of them. */
export const RevisionsPanel = ({ assemblyId, latest, compared, onCompare, onEditFrom }: RevisionsPanelProps) => {
  const list = useInfiniteQuery(revisionsQuery(assemblyId));
  const all = list.data?.pages.flatMap((page) => page.items) ?? [];
  const to = Math.min(compared.to ?? latest, latest);
  const from = Math.min(compared.from ?? Math.max(1, to - 1), latest);
  return (
    <Stack gap="md">
      {latest > 1 && <Comparison assemblyId={assemblyId} latest={latest} from={from} to={to} onCompare={onCompare} />}
      <section className={`wb-panel ${classes.section}`} aria-label="Revisions">
        <h2>Every save</h2>
        {list.isPending && <Loader size="sm" my="sm" aria-label="Reading revisions" />}
        <ProblemAlert problem={list.error} onRetry={() => void list.refetch()} />
        <ul className={classes.list}>
          {all.map((one, place) => (
            <RevisionRow
              key={one.revision}
              one={one}
              before={all[place + 1]}
              isCompared={one.revision === from || one.revision === to}
              onCompare={one.revision > 1 ? () => onCompare({ from: one.revision - 1, to: one.revision }) : undefined}
              onEdit={onEditFrom && one.revision < latest ? () => onEditFrom(one) : undefined}
            />
          ))}
        </ul>
        {list.hasNextPage && (
          <Button variant="default" loading={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            Show older ones
          </Button>
        )}
      </section>
    </Stack>
  );
};

interface RevisionRowProps {
  one: AssemblyRevision;
  before: AssemblyRevision | undefined;
  isCompared: boolean;
  onCompare?: () => void;
  onEdit?: () => void;
}

const RevisionRow = ({ one, before, isCompared, onCompare, onEdit }: RevisionRowProps) => (
  <li aria-label={`Revision ${one.revision}`} aria-current={isCompared || undefined}>
    <strong>Revision {one.revision}</strong>
    <Instant at={one.created_at} />
    <span className={classes.dim}>by {one.created_by ?? "the Engine"}</span>
    <span className={classes.dim} style={{ flex: 1 }}>
      {one.revision === 1 ? "made" : before ? `changed: ${changedInWords(before, one)}` : ""}
    </span>
    <Group gap={6}>
      {onCompare && (
        <Button variant="default" size="compact-xs" onClick={onCompare}>
          What changed
        </Button>
      )}
      {onEdit && (
        <Button variant="default" size="compact-xs" onClick={onEdit}>
          Bring back…
        </Button>
      )}
    </Group>
  </li>
);

interface ComparisonProps {
  assemblyId: string;
  latest: number;
  from: number;
  to: number;
  onCompare: (compared: Compared) => void;
}

const Comparison = ({ assemblyId, latest, from, to, onCompare }: ComparisonProps) => {
  const before = useQuery(revisionQuery(assemblyId, from));
  const after = useQuery(revisionQuery(assemblyId, to));
  const numbers = Array.from({ length: latest }, (_, place) => ({
    value: String(latest - place),
    label: `Revision ${latest - place}`,
  }));
  return (
    <section className={`wb-panel ${classes.section}`} aria-label="Comparison">
      <Group gap="xs" mb="sm" align="center">
        <Select
          size="xs"
          w={140}
          aria-label="Compare"
          data={numbers}
          value={String(from)}
          allowDeselect={false}
          searchable={latest > 12}
          onChange={(chosen) => chosen && onCompare({ from: Number(chosen), to })}
        />
        <Text size="sm">with</Text>
        <Select
          size="xs"
          w={140}
          aria-label="with"
          data={numbers}
          value={String(to)}
          allowDeselect={false}
          searchable={latest > 12}
          onChange={(chosen) => chosen && onCompare({ from, to: Number(chosen) })}
        />
      </Group>
      <ProblemAlert problem={before.error ?? after.error} />
      {before.data && after.data ? (
        <AssemblyDiff before={before.data} after={after.data} labels={[`revision ${from}`, `revision ${to}`]} />
      ) : (
        !before.error && !after.error && <Loader size="sm" aria-label="Reading the two revisions" />
      )}
    </section>
  );
};

import { Loader, Stack, Text } from "@mantine/core";
import { Suspense } from "react";
import type { AssemblyBody } from "@/api/assemblies";
import { languageOf } from "@/ui/code-language";
import { DiffView } from "@/ui/DiffView";
import { settingsText } from "./in-words";
import { useWorkflowParts } from "./workflow-parts";

interface AssemblyDiffProps {
  before: AssemblyBody;
  after: AssemblyBody;
  labels: readonly [string, string];
}

/** What differs between two states of an assembly: its script, and everything else in words. */
export const AssemblyDiff = ({ before, after, labels }: AssemblyDiffProps) => {
  const [old, now] = [settingsText(before), settingsText(after)];
  const what = after.kind === "playbook" ? "Playbook" : "Script";
  const isScript = before.content !== after.content;
  const isGraph = after.kind === "workflow" && JSON.stringify(before.workflow) !== JSON.stringify(after.workflow);
  if (!isScript && !isGraph && old === now) return <Text c="dimmed">These two hold the same.</Text>;
  return (
    <Stack gap="sm">
      {after.kind === "workflow" ? (
        isGraph && <GraphDiff {...{ before, after, labels }} />
      ) : isScript ? (
        <section aria-label={`Differences of the ${what.toLowerCase()}`}>
          <DiffView
            before={before.content}
            after={after.content}
            language={after.kind === "playbook" ? "yaml" : languageOf(after.interpreter ?? "")}
            labels={[`${what} · ${labels[0]}`, `${what} · ${labels[1]}`]}
            height="min(24rem, 50dvh)"
          />
        </section>
      ) : (
        <Text size="sm" c="dimmed">
          The {what.toLowerCase()} is the same.
        </Text>
      )}
      {old !== now && (
        <section aria-label="Differences of the settings">
          <DiffView
            before={old}
            after={now}
            language="text"
            labels={[`Settings · ${labels[0]}`, `Settings · ${labels[1]}`]}
            height="auto"
          />
        </section>
      )}
    </Stack>
  );
};

const GraphDiff = ({ before, after, labels }: AssemblyDiffProps) => {
  const { Diff } = useWorkflowParts();
  return (
    <Suspense fallback={<Loader size="sm" aria-label="Loading the comparison" />}>
      <Diff before={before.workflow} after={after.workflow} labels={labels} />
    </Suspense>
  );
};

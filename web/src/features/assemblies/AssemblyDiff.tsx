import { Stack, Text } from "@mantine/core";
import type { AssemblyBody } from "@/api/assemblies";
import { languageOf } from "@/ui/code-language";
import { DiffView } from "@/ui/DiffView";
import { settingsText } from "./in-words";

interface AssemblyDiffProps {
  before: AssemblyBody;
  after: AssemblyBody;
  labels: readonly [string, string];
}

/** What differs between two states of an assembly: its script, and everything else in words. */
export const AssemblyDiff = ({ before, after, labels }: AssemblyDiffProps) => {
  const [old, now] = [settingsText(before), settingsText(after)];
  const isScript = before.content !== after.content;
  if (!isScript && old === now) return <Text c="dimmed">These two hold the same.</Text>;
  return (
    <Stack gap="sm">
      {isScript ? (
        <section aria-label="Differences of the script">
          <DiffView
            before={before.content}
            after={after.content}
            language={languageOf(after.interpreter)}
            labels={[`Script · ${labels[0]}`, `Script · ${labels[1]}`]}
            height="min(24rem, 50dvh)"
          />
        </section>
      ) : (
        <Text size="sm" c="dimmed">
          The script is the same.
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

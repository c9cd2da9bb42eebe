import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import type { AssemblyBody } from "@/api/assemblies";
import type { FieldProblem } from "@/api/problem";
import { workflowCheckQuery } from "@/api/workflow-editor";
import type { WorkflowDocument } from "./document";
import type { Fault } from "./editor-context";

const PAUSE = 600;

/** Which node a field of a refused save speaks of: `workflow.nodes.3.settings.seconds`. */
const nodeIn = (doc: WorkflowDocument, field: string): string | null => {
  const place = /(?:^|\.)nodes\.(\d+)(?:\.|$)/.exec(field)?.[1];
  return place === undefined ? null : (doc.nodes[Number(place)]?.id ?? null);
};

/** What the Engine finds wrong with what is being written, a moment after the last change; what it refused to save until then. */
export const useWorkflowCheck = (
  body: AssemblyBody,
  assemblyId: string | null,
  doc: WorkflowDocument,
  refused: readonly FieldProblem[],
  enabled: boolean,
) => {
  const text = JSON.stringify(body);
  const [waited] = useDebouncedValue(text, PAUSE);
  const definition = useMemo(() => JSON.parse(waited) as AssemblyBody, [waited]);
  const asked = useQuery({ ...workflowCheckQuery(definition, assemblyId), enabled, placeholderData: keepPreviousData });
  const found = enabled ? asked.data?.problems : undefined;
  // By its text, so that the faults are the same list while they say the same.
  const told = JSON.stringify(found ?? refused.map((one) => ({ ...one, node: nodeIn(doc, one.field) })));
  const faults = useMemo(() => JSON.parse(told) as Fault[], [told]);
  return {
    faults,
    isChecking: enabled && (asked.isFetching || waited !== text),
    isKnown: enabled && asked.data !== undefined && !asked.error,
    unknown: enabled && asked.error ? "The Engine could not check it." : null,
  };
};

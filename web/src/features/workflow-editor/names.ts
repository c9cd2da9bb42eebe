import { nodeOf, type NodeType, portOf, type WorkflowGraph } from "./document";
import type { Parameter } from "./editor-context";

/** The names that an expression of a node may use. */

export interface Name {
  name: string;
  about: string;
}

const RUN: readonly Name[] = [
  { name: "run.id", about: "number of the run" },
  { name: "run.workflow", about: "name of the workflow" },
  { name: "run.source", about: "manual, job, webhook or workflow" },
  { name: "run.started_at", about: "when it began" },
];

const ON_DEVICES = ["state", "total", "counts", "succeeded", "warning", "failed", "offline", "skipped"];
const MEMBERS: Partial<Readonly<Record<NodeType, readonly string[]>>> = {
  script: ON_DEVICES,
  playbook: ON_DEVICES,
  approval: ["state", "decision", "by", "comment"],
  http: ["state", "status", "headers", "body"],
  workflow: ["state", "counts"],
};

/** Parameters, what is wired to the node's port `inputs`, and the run. */
export const namesFor = (graph: WorkflowGraph, nodeId: string, parameters: readonly Parameter[]): Name[] => {
  const sources = graph.edges
    .filter((one) => nodeOf(one.to) === nodeId && portOf(one.to) === "inputs")
    .flatMap((one) => graph.nodes.find((node) => node.id === nodeOf(one.from)) ?? []);
  return [
    ...parameters.filter((one) => one.name).map((one) => ({ name: `parameters.${one.name}`, about: one.type })),
    ...sources.flatMap(({ id, name, type }) => {
      const members = MEMBERS[type];
      return members
        ? members.map((member) => ({ name: `inputs.${id}.${member}`, about: `${member} of “${name}”` }))
        : [{ name: `inputs.${id}`, about: `“${name}”` }];
    }),
    ...RUN,
  ];
};

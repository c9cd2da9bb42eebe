import { expect, it } from "vitest";
import { addedComponent, bodyOf, DEFAULT_POLICIES, draftOf, isSame, newDraft } from "./form";
import { launchesWorkflow, promptable, standingAlone } from "./workflow-form";

const [workflow, other, script] = [
  addedComponent({ id: "w", kind: "workflow" }),
  addedComponent({ id: "v", kind: "workflow" }),
  addedComponent({ id: "s", kind: "script" }),
];

it("lets a workflow stand alone, and gives its place to what is chosen instead", () => {
  expect(standingAlone([script], [workflow])).toEqual([workflow]);
  expect(standingAlone([], [script, workflow, other])).toEqual([other]);
  expect(standingAlone([workflow], [script])).toEqual([script]);
  expect(standingAlone([script], [script])).toHaveLength(2);
  expect(standingAlone([workflow], [])).toEqual([workflow]);
});

it("sends of a launch what has a meaning, and nothing that was typed for devices before", () => {
  const typed = {
    ...newDraft("UTC"),
    name: "Nightly",
    components: [workflow],
    targets: [{ kind: "all_devices" as const }],
    duration: { time_limit_seconds: 60 },
    policies: { ...DEFAULT_POLICIES, overlap: "replace" as const, catch_up: "all" as const, retries: 3, concurrency: 5 },
    rest: { credential_id: 3, use_service_account: true },
  };
  const sent = bodyOf(typed);
  expect(sent).toMatchObject({ targets: [], exclusions: [], execution_context: null, credential_id: null, duration: {} });
  expect(sent).toMatchObject({ use_service_account: false });
  expect(sent.policies).toEqual({ ...DEFAULT_POLICIES, catch_up: "all", catch_up_window_seconds: null });
  expect(sent.components).toMatchObject([{ kind: "workflow", assembly_id: "w" }]);
});

it("finds nothing changed in a launch that it has read", () => {
  const reply = { name: "Nightly", components: [{ ...bodyOf({ ...newDraft("UTC"), components: [workflow] }).components[0] }] };
  const job = { ...reply, execution_context: null, duration: { time_limit_seconds: null }, policies: DEFAULT_POLICIES };
  const draft = draftOf(job as Parameters<typeof draftOf>[0]);
  expect(launchesWorkflow(draft)).toBe(true);
  expect(isSame(draft, draftOf(bodyOf(draft) as Parameters<typeof draftOf>[0]))).toBe(true);
});

it("offers of the parameters those that a job may set", () => {
  const declared = [
    { name: "a", promptable: true },
    { name: "b", promptable: false },
    { name: "c", promptable: null },
  ].map((one) => ({ ...one, type: "string" as const, required: false, description: "" }));
  expect(promptable(declared).map((one) => one.name)).toEqual(["a", "c"]);
});

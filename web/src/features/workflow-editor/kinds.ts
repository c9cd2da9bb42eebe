import type { IconName } from "@/ui/icons";
import type { NodeType } from "./document";

/** How kinds of nodes are called, what they are for, and where the palette has them. */

export interface Kind {
  type: NodeType;
  label: string;
  icon: IconName;
  about: string;
}

export interface Group {
  label: string;
  kinds: readonly Kind[];
}

const kind = (type: NodeType, label: string, icon: IconName, about: string): Kind => ({ type, label, icon, about });

export const GROUPS: readonly Group[] = [
  {
    label: "Start",
    kinds: [
      kind("trigger_manual", "By hand", "run", "It begins here when a person runs it, or another workflow does."),
      kind("trigger_job", "By a job", "job", "It begins here when a scheduled job runs it."),
      kind(
        "trigger_webhook",
        "By a webhook",
        "webhook",
        "It begins here when another system calls; parameters come from what it sends.",
      ),
    ],
  },
  {
    label: "Devices",
    kinds: [
      kind("devices_filter", "Filter", "filter", "The devices that a filter finds when it gets there."),
      kind("devices_list", "Devices", "device", "Devices that are named one by one."),
      kind("devices_site", "Site", "site", "All devices of a site."),
      kind("devices_combine", "Combine sets", "combine", "Two sets as one: together, what both have, or one without the other."),
      kind("devices_take", "Take some", "promote", "A number or a share of a set first, and the rest of it: a canary."),
      kind(
        "split",
        "Split by outcome",
        "split",
        "The devices of a result by how they ended, so that something else is done for each.",
      ),
    ],
  },
  {
    label: "Run",
    kinds: [
      kind("script", "Script", "assembly", "A script on a set of devices."),
      kind("playbook", "Playbook", "playbook", "An Ansible playbook on a set of devices."),
      kind("workflow", "Workflow", "workflow", "Another workflow, as one step."),
    ],
  },
  {
    label: "Decide",
    kinds: [
      kind("condition", "Condition", "condition", "One way or the other, by an expression."),
      kind("approval", "Approval", "approval", "Asks a person. Without an answer in time it fails."),
    ],
  },
  {
    label: "Wait",
    kinds: [kind("wait", "Wait", "waiting", "For a time, for a maintenance window, or for devices to come online.")],
  },
  {
    label: "Tell",
    kinds: [
      kind("http", "HTTP request", "http", "Calls another system, and takes what it answers."),
      kind("notify", "Notification", "notification", "A message by a notification channel."),
    ],
  },
  {
    label: "Combine",
    kinds: [
      kind("join", "Join", "join", "Goes on when all, any or some of several ways have come here."),
      kind("set_value", "Value", "value", "Works out a value that later nodes use."),
    ],
  },
];

const KINDS: ReadonlyMap<NodeType, Kind> = new Map(GROUPS.flatMap((one) => one.kinds.map((each) => [each.type, each] as const)));

export const kindOfType = (type: NodeType): Kind => KINDS.get(type) ?? kind(type, type, "help", "");

export const ROUTE_WORDS = { success: "on success", warning: "on warning", failed: "on failure", always: "always" } as const;

/** What a port is for, in words for its tooltip and for the list. */
export const PORT_WORDS: Readonly<Record<string, string>> = {
  in: "what comes before it",
  out: "what comes after it",
  inputs: "results and values that its expressions speak of",
  devices: "devices",
  result: "the result",
  value: "the value",
  a: "the first set",
  b: "the second set",
  rest: "the devices that were not taken",
};

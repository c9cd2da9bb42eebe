import { duration } from "@/lib/time";
import type { WorkflowNode } from "./document";
import { kindOfType } from "./kinds";

/** What a node does, in a line. Things that are known by a number alone are named by their kind. */
export const summaryOf = ({ type, settings }: WorkflowNode): string => {
  const said = (name: string): string => {
    const value = settings[name];
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
  };
  switch (type) {
    case "devices_list": {
      const number = Array.isArray(settings["device_ids"]) ? settings["device_ids"].length : 0;
      return `${number.toLocaleString("en")} ${number === 1 ? "device" : "devices"} by name`;
    }
    case "devices_combine":
      return (
        { union: "a and b together", intersection: "what a and b both have", difference: "a without b" }[said("operation")] ?? ""
      );
    case "devices_take":
      return `${said("number") || `${said("percent")} %`} ${said("order") === "random" ? "at random" : "by name"}`;
    case "condition":
    case "set_value":
      return said("expression");
    case "wait":
      if (said("for") === "window") return "until a maintenance window is open";
      return said("for") === "devices" ? `until ${said("percent")} % are online` : duration(Number(said("seconds")));
    case "approval":
      return said("message");
    case "http":
      return `${said("method")} ${said("url")}`.trim();
    case "notify":
      return said("subject") || said("message");
    case "join":
      return { all: "all ways", any: "any way", n: `${said("n")} of the ways` }[said("mode")] ?? "";
    case "script":
    case "playbook":
    case "workflow":
      return `${kindOfType(type).label}, ${said("revision") === "latest" ? "the latest" : `revision ${said("revision")}`}`;
    case "trigger_manual":
    case "trigger_job":
    case "trigger_webhook":
      return "begins here";
    case "devices_filter":
    case "devices_site":
    case "split":
      return kindOfType(type).label;
  }
};

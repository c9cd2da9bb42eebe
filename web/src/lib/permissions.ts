/** What each permission allows, in words. Which of them somebody has, the Engine says. */

interface Words {
  label: string;
  about: string;
}

const WORDS: Readonly<Record<string, Words>> = {
  read: { label: "Read", about: "See jobs, results, devices and assemblies of their sites." },
  "jobs:write": { label: "Write jobs", about: "Make, change and delete scheduled jobs." },
  "jobs:run": { label: "Run jobs", about: "Start, stop and repeat runs, and release held ones." },
  run_as_system: { label: "Run as SYSTEM", about: "Let scripts run with every right on a device." },
  "assemblies:write": { label: "Write assemblies", about: "Make and change scripts, and attach files." },
  "devices:write": { label: "Change devices", about: "Move, tag, revoke and remove devices." },
  "approvals:decide": { label: "Decide approvals", about: "Let devices in, or turn them away." },
  "sites:write": { label: "Change sites", about: "Make sites and change how devices enrol." },
  "operators:write": { label: "Manage operators", about: "Make accounts, and give and take rights." },
  "services:write": { label: "Manage services", about: "Act on the Engine's workers and services." },
  "audit:read": { label: "Read the audit", about: "See who changed what." },
  "windows:write": { label: "Write windows", about: "Make and change maintenance windows." },
  "windows:override": { label: "Override windows", about: "Start work by hand although a window is closed." },
  "custom_fields:write": { label: "Define device fields", about: "Make and change fields of one's own for devices." },
  "filters:write": { label: "Write filters", about: "Make and change device filters." },
  "notifications:write": { label: "Write notification rules", about: "Say who is told of what." },
  "channels:write": { label: "Manage channels", about: "Say where notifications lead, out of the Engine." },
  "credentials:write": { label: "Write credentials", about: "Make, change and delete what jobs sign in to devices with." },
  "packages:write": { label: "Publish the agent", about: "Say what agents are made of, on every device." },
  "variables:write": { label: "Set variables", about: "Set and take away values for sites and devices." },
};

/** A permission that this console does not know yet is shown as the Engine calls it. */
export const permissionWords = (permission: string): Words => WORDS[permission] ?? { label: permission, about: "" };

import { duration } from "@/lib/time";
import type { Context, Policies } from "./form";
import type { Platform } from "./onboarding-form";

/** What each choice means, in one line. */

export interface Option<T extends string> {
  value: T;
  label: string;
  means: string;
}

export const OFFLINES: readonly Option<Policies["offline"]>[] = [
  { value: "wait", label: "Wait for it", means: "A device that is off runs it when it returns, until its latest start." },
  { value: "skip", label: "Leave it out", means: "A device that is off at that time is skipped." },
];

export const OVERLAPS: readonly Option<Policies["overlap"]>[] = [
  { value: "skip", label: "Skip the new run", means: "What still runs goes on, and is not started a second time." },
  {
    value: "queue_one",
    label: "Queue one",
    means: "One more run waits and starts when the one before has ended; never more than one.",
  },
  { value: "replace", label: "Replace the old run", means: "What still runs is stopped, then the new run starts." },
  { value: "allow", label: "Run both", means: "Runs may overlap: the same script can run twice on a device at once." },
];

/** Of a job that launches a workflow. */
export const WORKFLOW_OVERLAPS: readonly Option<Policies["overlap"]>[] = [
  { value: "skip", label: "Skip the new run", means: "What still runs goes on, and is not started a second time." },
  {
    value: "queue_one",
    label: "Queue one",
    means: "One more run waits and starts when the one before has ended; never more than one.",
  },
  { value: "allow", label: "Run both", means: "Runs may overlap, as far as the workflow lets several of its runs go at once." },
];

/** Of a job that looks for machines. */
export const ONBOARDING_OVERLAPS: readonly Option<Policies["overlap"]>[] = [
  { value: "skip", label: "Skip the new run", means: "What is being installed goes on; the next time it is looked at again." },
  { value: "allow", label: "Run both", means: "Runs may overlap; an address that one is at work on is left alone by the other." },
];

export const PLATFORMS: readonly Option<Platform>[] = [
  {
    value: "auto",
    label: "As each machine shows it",
    means: "Linux by SSH, Windows by WinRM or SMB, whichever a machine answers.",
  },
  { value: "linux", label: "Linux only", means: "By SSH. What is not Linux ends as not supported." },
  {
    value: "windows",
    label: "Windows only",
    means: "By WinRM, and by SMB where that is closed. What is not Windows ends as not supported.",
  },
];

export const OVERLAP_SCOPES: readonly Option<Policies["overlap_scope"]>[] = [
  { value: "device", label: "Device by device", means: "Each device is looked at alone; the others start." },
  { value: "job", label: "The whole job", means: "One device that still runs counts for all of them." },
];

export const CATCH_UPS: readonly Option<Policies["catch_up"]>[] = [
  {
    value: "latest",
    label: "Run the latest one",
    means: "Of all times that were missed only the newest runs, as soon as it can.",
  },
  { value: "skip", label: "Skip them", means: "What was missed is noted as missed and not run." },
  { value: "all", label: "Run each of them", means: "Every missed time runs, oldest first." },
  { value: "hold", label: "Ask a person", means: "Each missed time waits for somebody who releases or skips it." },
];

export const SPLAY_MODES: readonly Option<Policies["splay_mode"]>[] = [
  { value: "fixed", label: "The same each time", means: "Each device has its own delay and keeps it." },
  { value: "per_occurrence", label: "Another each time", means: "Delays are drawn anew, so that no device is always the last." },
];

export const NO_TARGETS: readonly Option<Policies["no_targets"]>[] = [
  { value: "skip", label: "Note it as skipped", means: "A run that finds no device is skipped, and nobody is alarmed." },
  { value: "fail", label: "Note it as failed", means: "A run that finds no device counts as a failure." },
];

export const NO_USER_SESSIONS: readonly Option<Policies["no_user_session"]>[] = [
  { value: "skip", label: "Leave the device out", means: "A device on which nobody is signed in is skipped." },
  { value: "wait", label: "Wait for somebody", means: "It runs when somebody signs in, until its latest start." },
];

export const INTERRUPTED: readonly Option<Policies["interrupted"]>[] = [
  {
    value: "lost",
    label: "Leave it at that",
    means: "If the Engine's worker dies in the middle of a playbook, its device is lost: nobody knows how far it came.",
  },
  { value: "again", label: "Run it again", means: "The playbook may be repeated: it runs once more on such a device." },
];

/** Where scripts run, and from where playbooks reach a device. */
export const CONTEXTS: readonly Option<Context>[] = [
  { value: "system", label: "System", means: "With the rights of the agent: root on Linux and macOS, SYSTEM on Windows." },
  {
    value: "current_user",
    label: "Whoever is signed in",
    means: "With the rights of each signed-in user, once in each session; never with those of the agent.",
  },
  {
    value: "ssh_individual",
    label: "SSH, a run for each device",
    means: "Each device is reached by itself and has its own output.",
  },
  { value: "ssh", label: "SSH, one run for all", means: "One run over all devices of a site, as in an inventory of many hosts." },
  { value: "winrm_individual", label: "WinRM, a run for each device", means: "For Windows: each device is reached by itself." },
  { value: "winrm", label: "WinRM, one run for all", means: "For Windows: one run over all devices of a site." },
];

export const RETRIED: readonly { value: Policies["retry_on"][number]; label: string }[] = [
  { value: "failed", label: "failed" },
  { value: "timed_out", label: "ran out of time" },
  { value: "warning", label: "ended with warnings" },
];

export const WAVE_ORDERS: readonly { value: NonNullable<Policies["waves"]>["order_by"]; label: string }[] = [
  { value: "hostname", label: "by host name" },
  { value: "site", label: "by site" },
  { value: "os", label: "by system" },
  { value: "last_seen", label: "last seen first" },
  { value: "random", label: "at random, the same each time" },
];

export const meaningOf = <T extends string>(options: readonly Option<T>[], value: T): string =>
  options.find((one) => one.value === value)?.means ?? "";

export const latestStartWords = (seconds: number | null | undefined): string =>
  seconds ? `A device that is away is waited for ${duration(seconds)}.` : "Until the next run is due, at most a day.";

/** Why a device is left out, as a count is told. The codes are those of docs/states.md. */
const REASONS: Readonly<Record<string, string>> = {
  excluded: "excluded by this job",
  out_of_scope: "outside of your sites",
  device_disabled: "disabled",
  not_approved: "revoked",
  os_mismatch: "not the right system",
  interpreter_missing: "without the interpreter",
  preflight_failed: "without a value, a key or a file that it needs",
  offline_skip: "offline, and not waited for",
  no_user_session: "nobody signed in",
  interrupted: "worker died",
  previous_run_active: "still running this job",
  blackout: "closed by a blackout",
  outside_window: "outside of a window",
};

export const reasonInWords = (code: string): string => REASONS[code] ?? code.replaceAll("_", " ");

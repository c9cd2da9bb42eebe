/** How each state is called and marked: a word, an icon and a tone, never a colour alone. The words are those of docs/states.md. */

export type Tone = "good" | "warn" | "bad" | "live" | "idle";
export interface StateMark {
  word: string;
  icon:
    | "success"
    | "warning"
    | "failed"
    | "running"
    | "pending"
    | "waiting"
    | "connecting"
    | "dispatched"
    | "cancelling"
    | "cancelled"
    | "timedOut"
    | "expired"
    | "skipped"
    | "lost"
    | "missed"
    | "held"
    | "paused"
    | "due"
    | "done"
    | "credential"
    | "approval";
  tone: Tone;
}

const mark = (word: string, icon: StateMark["icon"], tone: Tone): StateMark => ({ word, icon, tone });

/** Of targets, executions, occurrences, outcomes and jobs; a word that several of them have means the same everywhere. */
export const STATES: Readonly<Record<string, StateMark>> = {
  // jobs
  active: mark("Active", "due", "good"),
  paused: mark("Paused", "paused", "idle"),
  completed: mark("Completed", "done", "idle"),
  error: mark("Error", "failed", "bad"),
  // credentials
  ready: mark("Ready", "success", "good"),
  reset_required: mark("Secrets lost", "failed", "bad"),
  // accounts and tokens
  disabled: mark("Disabled", "paused", "idle"),
  revoked: mark("Revoked", "cancelled", "idle"),
  // occurrences
  planned: mark("Planned", "due", "idle"),
  due: mark("Due", "due", "live"),
  open: mark("Running", "running", "live"),
  closed: mark("Finished", "done", "idle"),
  held: mark("Held", "held", "warn"),
  missed: mark("Missed", "missed", "bad"),
  // targets, and outcomes
  pending: mark("Pending", "pending", "idle"),
  waiting_online: mark("Waiting for device", "waiting", "idle"),
  connecting: mark("Connecting", "connecting", "live"),
  dispatched: mark("Dispatched", "dispatched", "live"),
  running: mark("Running", "running", "live"),
  cancelling: mark("Stopping", "cancelling", "live"),
  success: mark("Success", "success", "good"),
  warning: mark("Warning", "warning", "warn"),
  failed: mark("Failed", "failed", "bad"),
  timed_out: mark("Timed out", "timedOut", "bad"),
  expired: mark("Expired", "expired", "warn"),
  cancelled: mark("Cancelled", "cancelled", "idle"),
  skipped: mark("Skipped", "skipped", "idle"),
  lost: mark("Lost", "lost", "bad"),
  // runs of workflows, and their nodes
  queued: mark("Queued", "waiting", "idle"),
  awaiting_approval: mark("Waits for approval", "approval", "warn"),
  // executions
  finished: mark("Finished", "done", "idle"),
  exited: mark("Exited", "done", "idle"),
  // the storm guard, and processes of the Engine
  guard_down: mark("Down", "done", "good"),
  guard_up: mark("Up", "held", "warn"),
  draining: mark("Ending", "cancelling", "live"),
  silent: mark("Silent", "lost", "bad"),
  stopped: mark("Ended", "done", "idle"),
  // devices, and machines that ask to become one
  online: mark("Online", "success", "good"),
  offline: mark("Offline", "expired", "idle"),
  approved: mark("Approved", "success", "good"),
  denied: mark("Denied", "cancelled", "bad"),
  waiting: mark("Waiting", "waiting", "warn"),
  archived: mark("Archived", "held", "idle"),
  // tunnels to devices
  tunnel_ready: mark("Ready", "success", "good"),
  tunnel_not_ready: mark("Not ready", "waiting", "idle"),
  tunnel_unavailable: mark("Not available", "failed", "warn"),
  // service accounts
  none: mark("None", "skipped", "idle"),
  creating: mark("Being created", "connecting", "live"),
  present: mark("Present", "success", "good"),
  rotating: mark("Being rotated", "connecting", "live"),
  removing: mark("Being removed", "cancelling", "live"),
  unsupported: mark("Not supported", "skipped", "warn"),
  // verdicts of checks
  compliant: mark("Compliant", "success", "good"),
  not_compliant: mark("Not compliant", "warning", "warn"),
  fixed: mark("Fixed", "success", "good"),
  still_wrong: mark("Still wrong", "failed", "bad"),
};

/** A state that this console does not know yet is shown as the Engine calls it. */
export const stateMark = (state: string): StateMark =>
  STATES[state] ?? mark(state.charAt(0).toUpperCase() + state.slice(1).replaceAll("_", " "), "pending", "idle");

/** Of an occurrence: its outcome once it is closed. */
export const occurrenceState = (one: { state: string; outcome?: string | null }): string =>
  one.state === "closed" && one.outcome ? one.outcome : one.state;

/** The order in which counts are told: what went wrong first, then what is under way, then what went well. */
export const COUNT_ORDER: readonly string[] = [
  "failed",
  "timed_out",
  "lost",
  "warning",
  "expired",
  "running",
  "dispatched",
  "connecting",
  "cancelling",
  "waiting_online",
  "pending",
  "success",
  "skipped",
  "cancelled",
];

export const inCountOrder = (counts: Readonly<Record<string, number>>): [string, number][] =>
  Object.entries(counts)
    .filter(([, number]) => number > 0)
    .sort(([one], [other]) => place(one) - place(other));

const place = (state: string): number => (COUNT_ORDER.includes(state) ? COUNT_ORDER.indexOf(state) : COUNT_ORDER.length);

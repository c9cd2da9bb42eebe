import type { Address, AddressCount, AddressReason, AddressState, AddressTask } from "@/api/onboarding";
import type { StateMark } from "@/lib/states";

/** How it is said what became of an address: a word and a mark for each way to end, and what can be done about it. */

type Mark = Omit<StateMark, "word">;

export const ADDRESS_STATES = [
  "waiting_approval",
  "failed",
  "auth_failed",
  "unsupported",
  "expired",
  "denied",
  "installing",
  "connecting",
  "pending",
  "approved",
  "unreachable",
  "skipped",
] as const satisfies readonly AddressState[];

const STATES = {
  pending: { word: "Waiting for its turn", icon: "pending", tone: "idle" },
  connecting: { word: "Signing in", icon: "connecting", tone: "live" },
  installing: { word: "Installing", icon: "running", tone: "live" },
  waiting_approval: { word: "Waiting for approval", icon: "waiting", tone: "warn" },
  approved: { word: "Approved", icon: "success", tone: "good" },
  denied: { word: "Denied", icon: "cancelled", tone: "bad" },
  expired: { word: "Approval expired", icon: "timedOut", tone: "warn" },
  skipped: { word: "Passed over", icon: "skipped", tone: "idle" },
  unreachable: { word: "Not reached", icon: "expired", tone: "idle" },
  auth_failed: { word: "Not let in", icon: "credential", tone: "bad" },
  unsupported: { word: "Not supported", icon: "warning", tone: "warn" },
  failed: { word: "Failed", icon: "failed", tone: "bad" },
} satisfies Record<AddressState, StateMark>;

interface Reasoned {
  word: string;
  /** What it means, and what can be done about it. */
  advice: string;
  mark?: Partial<Mark>;
}

const REASONS = {
  excluded: { word: "Left out", advice: "The scope leaves it out: it was not touched." },
  already_managed: {
    word: "Already managed",
    advice: "A device that is known answers there: it was not touched.",
    mark: { icon: "done" },
  },
  already_pending: {
    word: "Already asked",
    advice: "A machine there waits for approval already: decide about it under Device Approvals.",
    mark: { icon: "done" },
  },
  same_machine: { word: "Same machine", advice: "Another address of this scope leads to the same machine." },
  taken: { word: "Another job is there", advice: "Another job was at work on it. Retry it when that is over." },
  cancelled: {
    word: "Stopped",
    advice: "The run was stopped before it was done with. Retry it to go on.",
    mark: { icon: "cancelled" },
  },
  no_answer: { word: "No answer", advice: "Nothing answers on any of the ports that were tried. Most free addresses are so." },
  name_not_resolved: {
    word: "Name not found",
    advice: "The site’s worker finds no address for this name. Look at its spelling, or at the worker’s name server.",
    mark: { icon: "missed", tone: "warn" },
  },
  no_way_in: {
    word: "No way in",
    advice: "Something is there, and none of the ports is a way in that is known. Look whether SSH or WinRM is on another port.",
    mark: { icon: "lost", tone: "warn" },
  },
  credentials_refused: {
    word: "Credentials refused",
    advice: "The machine refused every credential of the job that fits. Give the job another one, or mend it, and retry.",
  },
  no_credential: {
    word: "No credential fits",
    advice: "None of the job’s credentials is for the way in that this machine offers. Add one to the job, and retry.",
  },
  lockout_guard: {
    word: "Held back by the lock-out guard",
    advice:
      "Every account was refused there before, and was not tried again so that none is locked. Change the credential, and retry.",
  },
  platform: { word: "Another platform", advice: "It is not the platform that the job is for, or none that is known." },
  no_package: { word: "No agent for it", advice: "The install branch has no agent for this kind of machine." },
  system_too_old: { word: "System too old", advice: "The agent does not run on a system of this age." },
  host_key_changed: {
    word: "Host key changed",
    advice: "The machine shows another SSH host key than at first. It may have been installed anew, or be another one.",
  },
  certificate: { word: "Certificate not trusted", advice: "Its certificate is not one that is trusted." },
  not_permitted: {
    word: "No administrator rights",
    advice: "The account gets in and may not become root or administrator. Allow it to, or give the job another credential.",
  },
  no_space: { word: "Disk full", advice: "There is too little space for the agent. Make room, and retry." },
  no_egress: {
    word: "Cannot reach the Engine",
    advice: "From the machine no way leads to the Engine. Look at firewalls and at the address for agents.",
  },
  clock_off: { word: "Clock is off", advice: "Its clock is so far off that certificates do not hold. Set it, and retry." },
  connection_lost: {
    word: "Connection lost",
    advice: "The connection was cut while it was worked on. A retry goes on from there.",
  },
  step_failed: { word: "A step failed", advice: "One of the steps did not work; the timeline says which." },
  package_refused: {
    word: "Package refused",
    advice: "The package that arrived is not the one that was signed. Nothing was installed.",
  },
  timed_out: {
    word: "Took too long",
    advice: "The time limit of a machine passed. Retry it, or give it more time.",
    mark: { icon: "timedOut" },
  },
  not_enrolled: {
    word: "Agent did not report",
    advice: "The agent runs there and did not ask to be enrolled in time. Should it still ask, this row follows.",
  },
  gave_up: { word: "Given up", advice: "Every attempt was cut off with its worker. Retry it.", mark: { icon: "lost" } },
  denied: { word: "Denied", advice: "Somebody said no to it. Its agent stays without a device until it asks again." },
  expired: { word: "Approval expired", advice: "Nobody decided in time. A retry makes it ask again." },
} satisfies Record<AddressReason, Reasoned>;

// An Engine that is newer than this console may say another one.
const KNOWN_STATES: Readonly<Record<string, StateMark>> = STATES;
const KNOWN_REASONS: Readonly<Record<string, Reasoned>> = REASONS;

type Ended = Pick<Address, "state" | "reason">;

/** Word, icon and tone; a state or reason that this console does not know is shown as the Engine calls it. */
export const addressMark = ({ state, reason }: Ended): StateMark => {
  const mark: StateMark = KNOWN_STATES[state] ?? { word: inWords(state), icon: "pending", tone: "idle" };
  if (reason === null) return mark;
  const why = KNOWN_REASONS[reason];
  return { ...mark, ...why?.mark, word: why?.word ?? inWords(reason) };
};

export const adviceOf = (reason: AddressReason | null): string | null =>
  reason === null ? null : (KNOWN_REASONS[reason]?.advice ?? null);

export const ADDRESS_REASONS = Object.keys(REASONS) as AddressReason[];

const inWords = (code: string): string => code.charAt(0).toUpperCase() + code.slice(1).replaceAll("_", " ");

const place = ({ state, reason }: Ended): number =>
  ADDRESS_STATES.indexOf(state) * 100 + (reason === null ? 0 : ADDRESS_REASONS.indexOf(reason));

/** What asks for somebody first, then what is under way, then what is done with. */
export const countsInOrder = (counts: readonly AddressCount[]): AddressCount[] =>
  counts.filter((one) => one.number > 0).sort((one, other) => place(one) - place(other));

/** How many addresses there are in these states, for these reasons; empty = any. */
export const countOf = (
  counts: readonly AddressCount[],
  { state, reason }: { state: readonly AddressState[]; reason: readonly AddressReason[] },
): number =>
  counts
    .filter(
      (one) =>
        (state.length === 0 || state.includes(one.state)) &&
        (reason.length === 0 || (one.reason !== null && reason.includes(one.reason))),
    )
    .reduce((sum, one) => sum + one.number, 0);

const FINISHED: readonly AddressState[] = ["waiting_approval", "approved", "denied"];
const FINISHED_REASONS: readonly AddressReason[] = ["excluded", "already_managed", "already_pending", "same_machine"];
const AT_WORK: readonly AddressState[] = ["pending", "connecting", "installing"];

/** A worker is still to do something there. */
export const isAtWork = ({ state }: Pick<Address, "state">): boolean => AT_WORK.includes(state);
/** Another go may make something of it. */
export const isUnfinished = (one: Ended): boolean =>
  !isAtWork(one) && !FINISHED.includes(one.state) && (one.reason === null || !FINISHED_REASONS.includes(one.reason));

/** What it is called: its address, or the name that led to none. */
export const nameOf = (one: Pick<Address, "address" | "names" | "entry">): string => one.address ?? one.names[0] ?? one.entry;

/** Below its address: what it calls itself, and what the scope called it. */
export const alsoCalled = (one: Pick<Address, "address" | "names" | "hostname">): string =>
  [...new Set([one.hostname, ...(one.address === null ? [] : one.names)].filter(Boolean))].join(" · ");

const TASKS: Readonly<Record<string, string>> = {
  look: "Look what answers",
  "sign in": "Sign in",
  "existing agent": "Look for an agent that is there",
  clock: "Compare clocks",
  space: "Look for space",
  egress: "Reach the Engine from there",
  package: "Choose the package",
  upload: "Upload the package",
  verify: "Check the package",
  install: "Install the agent",
  service: "Set up the service",
  enrol: "Enrol",
  asked: "Asked to become a device",
};
export const taskInWords = ({ task }: Pick<AddressTask, "task">): string => TASKS[task] ?? inWords(task);

export const TASK_MARKS: Readonly<Record<AddressTask["state"], StateMark>> = {
  running: { word: "Under way", icon: "running", tone: "live" },
  done: { word: "Done", icon: "success", tone: "good" },
  failed: { word: "Failed", icon: "failed", tone: "bad" },
  cut_off: { word: "Cut off", icon: "lost", tone: "warn" },
};

/** Why it is so, in one line; of one at work what is being done. */
export const whatOf = (one: Pick<Address, "state" | "detail" | "timeline">): string | null => {
  if (one.detail) return one.detail;
  const last = one.timeline.at(-1);
  return isAtWork(one) && last ? `${taskInWords(last)}${last.detail ? `: ${last.detail}` : ""}` : null;
};

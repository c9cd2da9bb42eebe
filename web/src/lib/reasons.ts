/** The stable codes that say why a target or an execution is as it is, in a sentence each. Where the Engine has a sentence of its own, that one is shown. */

export const REASONS: Readonly<Record<string, string>> = {
  // left out
  out_of_scope: "Whoever saved the job may not reach its site.",
  excluded: "The job leaves it out.",
  device_disabled: "The device is disabled.",
  not_approved: "The device is not approved.",
  os_mismatch: "The script is for another operating system.",
  credential_missing: "There is no credential for it.",
  credential_locked: "Its credential is locked.",
  credential_mismatch: "Its credential is for another site.",
  wireguard_unavailable: "There is no WireGuard peer for it.",
  wireguard_not_ready: "Its WireGuard peer was not ready.",
  preflight_failed: "What the script needs is not there.",
  offline_skip: "It was offline, and the job does not wait.",
  no_user_session: "Nobody is signed in.",
  interpreter_missing: "The script's interpreter is not installed.",
  previous_run_active: "An earlier run of the job was still active.",
  blackout: "A window forbids it at this time.",
  outside_window: "No maintenance window is open.",
  late_start: "Its latest start had passed.",
  no_canaries: "None of the devices is a canary.",
  not_started_brake: "The brake was on before it began.",
  not_started_cancelled: "The run was stopped before it began.",
  not_started_in_time: "Its turn did not come in time.",
  // ended otherwise
  offline: "It stayed offline until its time was over.",
  superseded: "A newer run of the job took over.",
  no_answer: "It did not answer in time; whether the script ran is not known.",
  worker_failed: "The Engine could not hand it out.",
  worker_died: "The worker that ran it died; how far it came is not known.",
  unreachable: "Ansible could not reach it any more.",
  no_hosts_matched: "No play is meant for this device.",
  playbook_failed: "Ansible could not run the playbook; its output says why.",
  not_delivered: "The script never got there.",
  not_retried: "It was to be tried again, and that did not come about.",
  retrying: "It is tried again.",
  session_ended: "The user signed out between two components.",
  brake: "The brake stopped it.",
  interrupted: "The device went down meanwhile.",
  time_limit: "Its time limit passed.",
  // components that did not run
  after_failure: "A component before it failed.",
  compliant: "There was nothing to fix.",
  check_failed: "Its check failed.",
  cancelled: "It was stopped before its turn.",
  lost: "The device was lost before its turn.",
};

interface Reasoned {
  reason: string | null;
  detail: string | null;
}

/** Why it is so; null where there is nothing to say. An unknown code is shown as it is. */
export const whyOf = ({ reason, detail }: Reasoned): string | null => {
  if (detail) return detail;
  return reason === null ? null : (REASONS[reason] ?? `${reason.replaceAll("_", " ")}.`);
};

/** Of a device row: what became of a stop goes before why it ended. */
export const whyRow = (row: Reasoned & { cancel_sentence: string | null; late_result: object | null }): string | null =>
  [row.cancel_sentence ?? whyOf(row), row.late_result ? "A later answer of the device is kept with it." : null]
    .filter(Boolean)
    .join(" ") || null;

"""The doctor: whether what the product promises holds in the database, by the database alone. Reads only; changes nothing.

Each check is one statement that returns the rows which break an invariant; the ledger is compared with the calendar itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.apps.wiring import Engine
from watchbill.core import schedule as calendar
from watchbill.core.onboarding_states import OPEN_STATES, OnboardingState, counted_as
from watchbill.core.states import TERMINAL_TARGET
from watchbill.core.workflow_types import SHAPES
from watchbill.kit import instances

#: How long after a bound its keeper may take before it counts as a fault.
PATIENCE = timedelta(minutes=2)
#: Instants of one job that are compared with its ledger.
MOST_INSTANTS = 20_000
_SHOWN = 5

_OPEN_ADDRESSES = "(" + ", ".join(f"'{state}'" for state in sorted(OPEN_STATES)) + ")"
#: As what an address counts, as SQL of the core's own table.
_COUNTED_ADDRESS = (
    "CASE WHEN reason = 'cancelled' THEN 'cancelled' ELSE CASE state "
    + " ".join(f"WHEN '{state}' THEN '{counted_as(state, None)}'" for state in OnboardingState)
    + " END END"
)
#: The kinds of nodes that an occurrence of a workflow counts.
_STEPS = ", ".join(f"'{kind}'" for kind, shape in SHAPES.items() if shape.has_control and not shape.is_trigger)
_TERMINAL = ", ".join(f"'{state}'" for state in sorted(TERMINAL_TARGET))


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken invariant: which, how often, and the first few places."""

    code: str
    message: str
    number: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Check:
    code: str
    message: str
    sql: str


_CHECKS = (
    _Check(
        "job_overdue",
        "An enabled job fell due and no scheduler took it.",
        "SELECT 'job ' || id FROM jobs WHERE enabled AND deleted_at IS NULL AND next_due_at < :patient",
    ),
    _Check(
        "job_without_next",
        "An active job has a cadence and no next due time.",
        "SELECT 'job ' || id FROM jobs WHERE enabled AND deleted_at IS NULL AND state = 'active' AND next_due_at IS NULL"
        " AND schedule_type <> 'immediately'",
    ),
    _Check(
        "occurrence_stuck_open",
        "An occurrence is open although all its targets have ended.",
        "SELECT 'occurrence ' || o.id FROM occurrences o WHERE o.state = 'open'"
        " AND NOT EXISTS (SELECT 1 FROM run_targets t WHERE t.occurrence_id = o.id AND t.deadline_at IS NOT NULL)"
        " AND NOT EXISTS (SELECT 1 FROM workflow_runs w WHERE w.occurrence_id = o.id AND w.finished_at IS NULL)"
        # A run that looks for machines may not have its addresses yet.
        " AND NOT EXISTS (SELECT 1 FROM runs r WHERE r.occurrence_id = o.id AND r.kind = 'onboarding' AND ("
        f" EXISTS (SELECT 1 FROM onboarding_targets a WHERE a.run_id = r.id AND a.state IN {_OPEN_ADDRESSES})"
        " OR EXISTS (SELECT 1 FROM work_items w WHERE w.run_id = r.id AND w.state IN ('queued', 'leased'))))",
    ),
    _Check(
        "occurrence_closed_early",
        "An occurrence is over although some of its targets have not ended.",
        "SELECT 'occurrence ' || o.id FROM occurrences o WHERE o.state <> 'open'"
        " AND (EXISTS (SELECT 1 FROM run_targets t WHERE t.occurrence_id = o.id AND t.deadline_at IS NOT NULL)"
        f" OR EXISTS (SELECT 1 FROM onboarding_targets a WHERE a.occurrence_id = o.id AND a.state IN {_OPEN_ADDRESSES}))",
    ),
    _Check(
        "counts_differ",
        "The counters of an occurrence differ from its target rows.",
        """SELECT 'occurrence ' || coalesce(c.occurrence_id, t.occurrence_id) || ' ' || coalesce(c.state, t.state)
        FROM (SELECT occurrence_id, site_id, wave, state, number FROM occurrence_counts WHERE number <> 0) c
        FULL JOIN (SELECT occurrence_id, site_id, wave, state, count(*) AS number FROM (
            SELECT occurrence_id, site_id, wave, state FROM run_targets
            UNION ALL SELECT occurrence_id, site_id, 1, """
        + _COUNTED_ADDRESS
        + """ FROM onboarding_targets
            UNION ALL SELECT w.occurrence_id, coalesce(w.allowed_site_ids[1], 0), 1,
              CASE n.state WHEN 'awaiting_approval' THEN 'running' ELSE n.state END
            FROM workflow_runs w JOIN workflow_nodes n USING (run_id) WHERE n.type IN ("""
        + _STEPS
        + """)) AS every GROUP BY 1, 2, 3, 4) t
          ON (t.occurrence_id, t.site_id, t.wave, t.state) = (c.occurrence_id, c.site_id, c.wave, c.state)
        WHERE c.number IS DISTINCT FROM t.number
          -- The newest occurrence of a job outlives its targets, which go with their week.
          AND NOT (t.number IS NULL AND EXISTS (
            SELECT FROM runs r, retention k WHERE r.occurrence_id = c.occurrence_id AND r.id < k.dropped_below))""",
    ),
    _Check(
        "workflow_overdue",
        "A run of a workflow was to be looked at, and nobody did.",
        "SELECT DISTINCT 'workflow run ' || run_id FROM workflow_wakes WHERE at < :patient",
    ),
    _Check(
        "workflow_unwoken",
        "A run of a workflow is open, and nothing will bring it on but the end of its time.",
        """SELECT 'workflow run ' || w.run_id FROM workflow_runs w
        WHERE w.finished_at IS NULL
          AND NOT EXISTS (SELECT FROM workflow_nodes n WHERE n.run_id = w.run_id AND n.state IN ('running', 'awaiting_approval'))
          AND NOT EXISTS (SELECT FROM workflow_wakes k WHERE k.run_id = w.run_id AND k.at IS DISTINCT FROM w.deadline_at)""",
    ),
    _Check(
        "workflow_node_behind",
        "The work of a node has ended, and the node has not heard of it.",
        """SELECT 'workflow run ' || n.run_id || ' ' || n.node_id FROM workflow_nodes n
        JOIN occurrences o ON o.id = n.occurrence_ids[cardinality(n.occurrence_ids)]
        WHERE n.state = 'running' AND o.closed_at < :patient""",
    ),
    _Check(
        "workflow_differs",
        "A run of a workflow and its occurrence do not agree whether it has ended.",
        """SELECT 'workflow run ' || w.run_id FROM workflow_runs w JOIN occurrences o ON o.id = w.occurrence_id
        WHERE (w.finished_at IS NULL) <> (o.state = 'open')
          OR (w.finished_at IS NOT NULL AND EXISTS (SELECT FROM workflow_nodes n WHERE n.run_id = w.run_id
            AND n.state IN ('pending', 'running', 'awaiting_approval')))""",
    ),
    _Check(
        "target_overdue",
        "A target has passed its bound and nobody has settled it.",
        "SELECT 'target ' || id || ' ' || state FROM run_targets WHERE deadline_at < :patient",
    ),
    _Check(
        "target_outstays",
        "A target was to be stopped by now, and still runs.",
        "SELECT 'target ' || id FROM run_targets WHERE stop_by_at < :patient AND deadline_at IS NOT NULL"
        " AND state IN ('connecting', 'dispatched', 'running')",
    ),
    _Check(
        "target_early",
        "A target was handed out before its start.",
        "SELECT DISTINCT 'target ' || t.id FROM run_targets t JOIN executions e ON e.target_id = t.id AND e.run_id = t.run_id"
        " WHERE e.dispatched_at < t.starts_at AND e.attempt = t.retried + 1",
    ),
    _Check(
        "wave_differs",
        "A target is in a wave that its occurrence does not have, or begins before its wave.",
        """SELECT 'target ' || t.id FROM run_targets t
        JOIN (SELECT DISTINCT occurrence_id FROM occurrence_waves) o ON o.occurrence_id = t.occurrence_id
        LEFT JOIN occurrence_waves w ON w.occurrence_id = t.occurrence_id AND w.wave = t.wave
        LEFT JOIN LATERAL (SELECT min(dispatched_at) AS dispatched_at FROM executions e WHERE e.target_id = t.id AND e.run_id = t.run_id) e ON true
        WHERE (w.wave IS NULL AND (t.attempt > 0 OR t.deadline_at IS NOT NULL)) OR t.starts_at < w.starts_at OR e.dispatched_at < w.starts_at""",
    ),
    _Check(
        "target_forgotten",
        "A target could go, its device is connected, nothing is in its way, and nobody hands it out.",
        """SELECT 'target ' || t.id FROM run_targets t
        JOIN runs r ON r.id = t.run_id
        JOIN device_presence p ON p.device_id = t.device_id AND p.gateway_id IS NOT NULL AND p.connected_at < :patient
        JOIN devices d ON d.id = t.device_id AND d.status = 'active'
        WHERE t.state IN ('pending', 'waiting_online') AND t.released_at < :patient AND coalesce(t.starts_at, t.released_at) < :patient
          AND (t.reason IS DISTINCT FROM 'no_user_session' OR EXISTS (SELECT FROM device_sessions s WHERE s.device_id = t.device_id))
          AND NOT EXISTS (SELECT FROM run_targets b WHERE r.exclusivity <> 'none' AND b.job_id = t.job_id AND b.id <> t.id
            AND (b.device_id = t.device_id OR r.exclusivity = 'job') AND (b.finished_at >= :patient
              OR b.state IN ('connecting', 'dispatched', 'running', 'cancelling')
              OR (b.deadline_at IS NOT NULL AND b.device_id = t.device_id AND b.id < t.id)))""",
    ),
    _Check(
        "told_twice",
        "A notification is in more than one message of a channel.",
        "SELECT 'notification ' || i.notification_id FROM notification_items i JOIN notification_messages m ON m.seq = i.message_seq"
        " GROUP BY i.notification_id, m.channel_id HAVING count(*) > 1",
    ),
    _Check(
        "message_stuck",
        "A message is due, and no scheduler sends it.",
        # The first of its line; where others of the line went a moment ago, its turn is to come.
        """SELECT 'message ' || m.id FROM notification_messages m
        JOIN notification_channels c ON c.id = m.channel_id AND c.enabled AND c.archived_at IS NULL
        WHERE m.state = 'waiting' AND m.due_at < :patient AND (m.leased_until IS NULL OR m.leased_until < :patient)
          AND coalesce(greatest(c.last_success_at, c.last_failure_at), '-infinity') < :patient
          AND NOT EXISTS (SELECT FROM notification_messages e WHERE e.channel_id = m.channel_id AND e.state = 'waiting' AND e.seq < m.seq)""",
    ),
    _Check(
        "sign_of_life_fails",
        "The sign of life reaches nobody.",
        "SELECT 'last error: ' || coalesce(last_error, 'none') FROM outbound_heartbeat"
        " WHERE last_failure_at > coalesce(last_success_at, '-infinity') AND coalesce(last_success_at, '-infinity') < :patient",
    ),
    _Check(
        "held_overdue",
        "A held occurrence has passed its bound, and nobody let it go or skipped it.",
        "SELECT 'occurrence ' || id FROM occurrences WHERE state = 'held' AND held_until_at < :patient",
    ),
    _Check(
        "guard_holds_nothing",
        "The storm guard is up, and has held nothing for a while.",
        """SELECT 'outage ' || u.id FROM outages u WHERE u.guard = 'up' AND u.noticed_at < :patient AND NOT EXISTS (
          SELECT FROM occurrences o WHERE o.state = 'held' AND o.reason = 'storm_guard'
            OR o.is_late AND coalesce(o.opened_at, o.closed_at) >= :patient)""",
    ),
    _Check(
        "executed_twice",
        "A target was handed out more often than its attempts allow.",
        "SELECT 'target ' || t.id FROM run_targets t JOIN executions e ON e.target_id = t.id"
        " GROUP BY t.id, t.attempt, e.component, e.is_recheck, e.session_id HAVING count(*) > t.attempt",
    ),
    _Check(
        "result_missing",
        "A target says that its script ended, and no execution does.",
        "SELECT 'target ' || t.id || ' ' || t.state FROM run_targets t WHERE t.state IN ('success', 'warning', 'timed_out')"
        " AND NOT EXISTS (SELECT 1 FROM executions e WHERE e.target_id = t.id AND e.state = 'finished' AND e.outcome <> 'skipped')",
    ),
    _Check(
        "result_ignored",
        "The result of a target's last execution is stored, and the target has neither ended nor gone on.",
        "SELECT 'target ' || t.id || ' ' || t.state FROM run_targets t"
        " WHERE t.state IN ('connecting', 'dispatched', 'running', 'cancelling') AND NOT EXISTS (SELECT FROM executions e"
        " WHERE e.run_id = t.run_id AND e.target_id = t.id AND e.term = t.term AND e.state <> 'finished')",
    ),
    _Check(
        "components_at_once",
        "Two components of a target, or of one session of it, were with its device at the same time.",
        "SELECT DISTINCT 'target ' || a.target_id FROM executions a JOIN executions b ON b.run_id = a.run_id AND b.target_id = a.target_id"
        " AND b.session_id IS NOT DISTINCT FROM a.session_id"
        " AND (b.component, b.is_recheck) <> (a.component, a.is_recheck) AND b.dispatched_at >= a.dispatched_at"
        " WHERE coalesce(a.outcome, '') <> 'skipped' AND coalesce(b.outcome, '') <> 'skipped'"
        " AND b.dispatched_at < coalesce(a.received_at, 'infinity') AND b.id <> a.id",
    ),
    _Check(
        "component_unaccounted",
        "A target has ended, and of one of its components nothing says whether it ran (in each session).",
        "SELECT DISTINCT 'target ' || t.id FROM run_targets t JOIN runs r ON r.id = t.run_id"
        " CROSS JOIN LATERAL (SELECT DISTINCT e.session_id FROM executions e WHERE e.run_id = t.run_id AND e.target_id = t.id) AS s"
        " CROSS JOIN LATERAL generate_series(0, jsonb_array_length(r.components) - 1) AS c(component)"
        " WHERE t.deadline_at IS NULL AND t.attempt > 0 AND NOT EXISTS (SELECT FROM executions e"
        " WHERE e.run_id = t.run_id AND e.target_id = t.id AND e.component = c.component"
        " AND e.session_id IS NOT DISTINCT FROM s.session_id)",
    ),
    _Check(
        "verdicts_differ",
        "The verdicts counted for an occurrence differ from those of its target rows.",
        """SELECT 'occurrence ' || occurrence_id || ' ' || verdict
        FROM occurrence_verdicts c FULL JOIN (SELECT occurrence_id, site_id, verdict, count(*) AS number FROM run_targets
          WHERE verdict IS NOT NULL GROUP BY 1, 2, 3) t USING (occurrence_id, site_id, verdict)
        WHERE c.number IS DISTINCT FROM t.number
          AND NOT (t.number IS NULL AND EXISTS (
            SELECT FROM runs r, retention k WHERE r.occurrence_id = c.occurrence_id AND r.id < k.dropped_below))""",
    ),
    _Check(
        "address_without_worker",
        "An address is to be looked at, and no work item of its run will do it.",
        f"SELECT 'address ' || a.id FROM onboarding_targets a WHERE a.state IN {_OPEN_ADDRESSES} AND NOT EXISTS"
        " (SELECT 1 FROM work_items w WHERE w.run_id = a.run_id AND w.state IN ('queued', 'leased'))",
    ),
    _Check(
        "approval_not_followed",
        "A machine that a job brought was decided about, and its address does not say so.",
        "SELECT 'address ' || a.id FROM onboarding_targets a JOIN enrolment_requests r ON r.id = a.approval_id"
        " WHERE a.state = 'waiting_approval' AND r.state <> 'pending' AND r.decided_at < :patient",
    ),
    _Check(
        "output_missing",
        "Output that was not cut is shorter than its device says.",
        """SELECT 'execution ' || e.id FROM executions e
        LEFT JOIN (SELECT execution_id, max(at_offset + length(data)) FILTER (WHERE stream = 1) AS stdout,
            max(at_offset + length(data)) FILTER (WHERE stream = 2) AS stderr
          FROM output_chunks GROUP BY execution_id) c ON c.execution_id = e.id
        WHERE e.state = 'finished' AND NOT e.truncated AND e.outcome IN ('exited', 'timed_out', 'cancelled')
          AND (coalesce(c.stdout, 0) <> e.stdout_bytes OR coalesce(c.stderr, 0) <> e.stderr_bytes)""",
    ),
    _Check(
        "work_without_doorbell",
        "A work item waits, and nothing in the queue will wake a worker for it.",
        "SELECT 'work item ' || w.id FROM work_items w WHERE w.state IN ('queued', 'leased')"
        " AND CASE w.state WHEN 'queued' THEN w.created_at ELSE w.leased_at END < :patient"
        " AND NOT EXISTS (SELECT 1 FROM pgqueuer q WHERE q.payload = convert_to(w.id::text, 'UTF8'))",
    ),
    _Check(
        "target_never_released",
        "All work of a run is done, and a target was never let go.",
        "SELECT 'target ' || t.id FROM run_targets t WHERE t.state = 'pending' AND t.released_at IS NULL AND NOT t.is_paced AND NOT EXISTS"
        " (SELECT 1 FROM work_items w WHERE w.run_id = t.run_id AND w.site_id = t.site_id AND w.state IN ('queued', 'leased'))",
    ),
    _Check(
        "presence_of_dead_gateway",
        "A device counts as online at a gateway that has ended.",
        "SELECT 'device ' || p.device_id FROM device_presence p JOIN services s ON s.id = p.gateway_id"
        " WHERE s.stopped_at IS NOT NULL AND s.stopped_at < :patient",
    ),
    _Check(
        "service_silent",
        "A process of the Engine stopped beating and was not buried.",
        "SELECT kind || ' ' || id FROM services WHERE stopped_at IS NULL AND heartbeat_at < :silent",
    ),
    _Check(
        "terminal_with_bound",
        "A target has ended and still has a bound, or the other way round.",
        f"SELECT 'target ' || id FROM run_targets WHERE (state IN ({_TERMINAL})) <> (deadline_at IS NULL)",
    ),
    _Check(
        "service_account_without_key",
        "A device has, or is to have, a service account whose key the Engine does not have any more.",
        """SELECT 'device ' || a.device_id FROM service_accounts a
        WHERE a.wanted = 'present' AND (NOT EXISTS (SELECT FROM service_account_keys k WHERE k.generation = a.generation)
          OR (a.present_generation IS NOT NULL
            AND NOT EXISTS (SELECT FROM service_account_keys k WHERE k.generation = a.present_generation)))""",
    ),
)

# From when on the ledger of each job can be compared with its present schedule: the last save, the clearing of its history, or the
# mark that other zone rules or a clock that was ahead had brought it to. A job that other rules computed last has yet to be adopted.
_LEDGERS = text("""
SELECT j.id, j.definition->'schedule' AS schedule, j.mark_at, w.since, k.kept, k.is_capped
FROM jobs j
JOIN job_revisions r ON r.job_id = j.id AND r.revision = j.revision
LEFT JOIN ledger_starts l ON l.job_id = j.id
CROSS JOIN LATERAL (SELECT greatest(r.changed_at, l.from_at, j.ledger_from_at) AS since) w
-- Whatever became of an instant, ran, held, skipped or missed, it is there; of a job that follows clocks by its wall clock.
CROSS JOIN LATERAL (
  SELECT coalesce(sum(o.range_count), 0) AS kept, coalesce(bool_or(o.is_range_capped), false) AS is_capped FROM occurrences o
  WHERE o.job_id = j.id AND o.kind = 'schedule' AND o.scheduled_for_at > w.since AND o.scheduled_for_at <= j.mark_at
) k
WHERE j.enabled AND j.deleted_at IS NULL AND j.schedule_type <> 'immediately' AND j.tzdata_version = :tzdata_version
  AND w.since < j.mark_at
""")


async def check(engine: Engine) -> list[Finding]:
    """Every broken invariant; an empty list is a clean bill."""
    async with engine.db.begin() as tx:
        now = await engine.clock.now(tx)
        await tx.execute(text("SET TRANSACTION READ ONLY"))
        values = {"patient": now - PATIENCE, "silent": now - instances.STALE - PATIENCE}
        found = [await _run(tx, one, values) for one in _CHECKS]
        ledger = await _compare_ledgers(tx)
    return [finding for finding in [*found, ledger] if finding is not None]


async def _run(tx: AsyncConnection, one: _Check, values: Mapping[str, datetime]) -> Finding | None:
    statement = text(one.sql)
    used = {name: value for name, value in values.items() if f":{name}" in one.sql}
    rows = [str(row[0]) for row in await tx.execute(statement, used)]
    return Finding(one.code, one.message, len(rows), tuple(rows[:_SHOWN])) if rows else None


async def _compare_ledgers(tx: AsyncConnection) -> Finding | None:
    """Every instant that a schedule names up to its mark is in the ledger, exactly once."""
    rows = await tx.execute(_LEDGERS, {"tzdata_version": calendar.tzdata_version()})
    wrong = [said for row in rows if (said := _difference(row))]
    message = "The ledger of a job differs from what its schedule names."
    return Finding("ledger_differs", message, len(wrong), tuple(wrong[:_SHOWN])) if wrong else None


def _difference(row: Any) -> str | None:
    try:
        schedule = calendar.parse(row.schedule)
    except calendar.ScheduleProblems:
        return None  # the job is in state `error`, which is shown where jobs are
    named = calendar.count_between(schedule, row.since, row.mark_at, MOST_INSTANTS)
    if named >= MOST_INSTANTS or named == row.kept or (row.is_capped and named > row.kept):
        return None  # a range of misses that was not counted to its end says so
    return f"job {row.id}: {named} named, {row.kept} kept since {row.since:%Y-%m-%d %H:%M:%S}"

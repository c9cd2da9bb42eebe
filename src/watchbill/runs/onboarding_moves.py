"""The one way in which an address changes its state: the table decides, counters move with it, and an occurrence closes with its last one.

Order of locks as for devices: rows by id, then counters, then occurrences. What comes from a worker is written by who holds its lease.
"""

import re
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import agents
from watchbill.agents import APPROVALS
from watchbill.core.onboarding_states import (
    MOVES,
    OPEN_STATES,
    STAYS_THERE,
    OnboardingReason,
    OnboardingState,
    counted_as,
)
from watchbill.core.states import Outcome
from watchbill.kit import db, events
from watchbill.kit.events import Event
from watchbill.runs.moves import close_finished, count, counts_in_sites, publish_in_sites, publish_occurrences

#: NOTIFY channel that says that something of a run is to be stopped.
ONBOARDING: Final = "watchbill_onboarding"
#: Of longer lists of changed rows the counts tell the rest.
_ROWS_PER_EVENT: Final = 200
_WAVE: Final = 1
#: Decisions are followed at once; so much later only where no scheduler ran.
_FOLLOWED_FOR: Final = timedelta(days=7)
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")

_S, _R = OnboardingState, OnboardingReason
_OPEN: Final = "('pending', 'connecting', 'installing')"
_RULES: Final = {
    "befores": [str(before) for before, afters in MOVES.items() for _ in afters],
    "afters": [str(after) for afters in MOVES.values() for after in sorted(afters)],
}

_LOCK = text("SELECT id FROM onboarding_targets WHERE id = ANY(CAST(:ids AS bigint[])) ORDER BY id FOR UPDATE")
_MOVE = text(f"""
WITH rules AS (
  SELECT * FROM unnest(CAST(:befores AS text[]), CAST(:afters AS text[])) AS r(before, after)
), given AS (
  SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:reasons AS text[]), CAST(:details AS text[]),
    CAST(:snippets AS text[])) AS g(id, state, reason, detail, snippet)
), old AS MATERIALIZED (
  SELECT t.id, t.state, t.reason FROM given g JOIN onboarding_targets t ON t.id = g.id
)
UPDATE onboarding_targets t SET state = g.state, reason = g.reason, detail = g.detail, snippet = g.snippet,
  started_at = CASE WHEN g.state = 'pending' THEN NULL WHEN g.state IN ('connecting', 'installing')
    THEN coalesce(t.started_at, :now) ELSE t.started_at END,
  attempt = t.attempt + CASE WHEN g.state = 'connecting' THEN 1 ELSE 0 END,
  finished_at = CASE WHEN g.state IN {_OPEN} THEN NULL ELSE CAST(:now AS timestamptz) END
FROM given g JOIN old o ON o.id = g.id JOIN rules r ON r.before = o.state AND r.after = g.state
WHERE t.id = g.id
RETURNING t.id, t.occurrence_id, t.job_id, t.site_id, o.state AS before, o.reason AS reason_before, t.state AS after, t.reason
""")
_OF_OCCURRENCES = text(f"""
SELECT id, state FROM onboarding_targets WHERE occurrence_id = ANY(CAST(:ids AS uuid[])) AND state IN {_OPEN} ORDER BY id FOR UPDATE
""")
_RUNS_OF = text(
    "SELECT r.id, r.occurrence_id FROM runs r WHERE r.occurrence_id = ANY(CAST(:ids AS uuid[])) AND r.kind = 'onboarding'"
)
_WITHOUT_ROWS = text("""
UPDATE occurrences o SET state = 'closed', outcome = 'cancelled', closed_at = :now
FROM runs r WHERE r.occurrence_id = o.id AND r.kind = 'onboarding' AND o.id = ANY(CAST(:ids AS uuid[])) AND o.state = 'open'
  AND NOT EXISTS (SELECT FROM onboarding_targets t WHERE t.occurrence_id = o.id)
  AND NOT EXISTS (SELECT FROM work_items w WHERE w.run_id = r.id AND w.state IN ('queued', 'leased'))
RETURNING o.id
""")
_NEVER_BEGUN = text("""
UPDATE occurrences o SET state = 'closed', outcome = 'failed', closed_at = :now, detail = :detail
FROM runs r WHERE r.id = :run_id AND r.kind = 'onboarding' AND o.id = r.occurrence_id AND o.state = 'open'
  AND NOT EXISTS (SELECT FROM onboarding_targets t WHERE t.run_id = r.id)
RETURNING o.id, o.job_id
""")
_OPEN_LEFT = text(f"""
SELECT r.occurrence_id, count(t.id) AS number FROM runs r LEFT JOIN onboarding_targets t ON t.run_id = r.id AND t.state IN {_OPEN}
WHERE r.id = :run_id AND r.kind = 'onboarding' GROUP BY r.occurrence_id
""")
_OF_RUN = text(
    f"SELECT id, state FROM onboarding_targets WHERE run_id = :run_id AND state IN {_OPEN} ORDER BY id FOR UPDATE"
)
#: Ends the lines of timelines that were under way.
CUT_OFF: Final = text("""
UPDATE onboarding_targets t SET timeline = (
  SELECT coalesce(jsonb_agg(CASE WHEN l.one->>'state' = 'running'
    THEN l.one || jsonb_build_object('state', 'cut_off', 'finished_at', CAST(:now AS text)) ELSE l.one END ORDER BY l.place), '[]')
  FROM jsonb_array_elements(t.timeline) WITH ORDINALITY AS l(one, place))
WHERE t.id = ANY(CAST(:ids AS bigint[])) AND t.timeline @> '[{"state": "running"}]'
""")
# Not of rows that a worker is at: that the machine has asked is not the last thing that is done there, and the worker tells the end.
_JOIN_REQUESTS = text("""
SELECT t.id, r.id AS approval_id, r.hostname FROM enrolment_requests r JOIN onboarding_targets t ON t.id = r.onboarding_target_id
WHERE (r.state = 'pending' OR r.decided_at > :since) AND t.state IN ('failed', 'skipped', 'unreachable', 'auth_failed', 'unsupported')
  AND NOT EXISTS (SELECT FROM enrolment_requests n WHERE n.onboarding_target_id = t.id AND (n.created_at, n.id) > (r.created_at, r.id))
ORDER BY t.id FOR UPDATE OF t
""")
_LINK = text("""
UPDATE onboarding_targets t SET approval_id = g.approval_id, hostname = coalesce(g.hostname, t.hostname)
FROM unnest(CAST(:ids AS bigint[]), CAST(:approvals AS uuid[]), CAST(:hostnames AS text[])) AS g(id, approval_id, hostname) WHERE t.id = g.id
""")
_DECIDED = text("""
SELECT t.id, r.state, r.device_id, r.reason FROM onboarding_targets t JOIN enrolment_requests r ON r.id = t.approval_id
WHERE t.state = 'waiting_approval' AND r.state <> 'pending' ORDER BY t.id LIMIT 1000 FOR UPDATE OF t SKIP LOCKED
""")
_DEVICES = text("""
UPDATE onboarding_targets t SET device_id = g.device_id
FROM unnest(CAST(:ids AS bigint[]), CAST(:devices AS uuid[])) AS g(id, device_id) WHERE t.id = g.id
""")
_TRUST = text("""
INSERT INTO device_host_keys (device_id, key, pinned_at)
SELECT t.device_id, k.key, k.pinned_at FROM onboarding_targets t
JOIN onboarding_host_keys k ON k.site_id = t.site_id AND k.address = t.address
  AND split_part(t.host_key, 'SHA256:', 2) = rtrim(encode(sha256(decode(split_part(k.key, ' ', 2), 'base64')), 'base64'), '=')
JOIN devices d ON d.id = t.device_id
WHERE t.id = ANY(CAST(:ids AS bigint[])) AND t.device_id IS NOT NULL
ON CONFLICT (device_id) DO NOTHING
""")


@dataclass(frozen=True, slots=True)
class OnboardingMove:
    """What became of an address."""

    target_id: int
    state: OnboardingState
    reason: OnboardingReason | None = None
    detail: str | None = None
    snippet: str | None = None


async def move_onboarding(tx: AsyncConnection, moves: Sequence[OnboardingMove], now: datetime) -> set[int]:
    """Apply moves, at most one for each address; the ids of those that took place. The others the table refuses."""
    if not moves:
        return set()
    await tx.execute(_LOCK, {"ids": [one.target_id for one in moves]})
    columns = {
        "ids": [one.target_id for one in moves],
        "states": [str(one.state) for one in moves],
        "reasons": [str(one.reason) if one.reason else None for one in moves],
        "details": [storable(one.detail) for one in moves],
        "snippets": [storable(one.snippet) or None for one in moves],
    }
    rows = (await tx.execute(_MOVE, {**_RULES, **columns, "now": now})).all()
    await _follow(tx, rows, now)
    return {row.id for row in rows}


def storable(given: Any) -> Any:
    """What a machine said as the database takes it: without NUL and halves of surrogate pairs. What is no text stays."""
    return _UNSTORABLE.sub("\ufffd", given) if isinstance(given, str) else given


async def _follow(tx: AsyncConnection, rows: Sequence[Row[*tuple[Any, ...]]], now: datetime) -> None:
    """Counters, the end of the occurrence, and who looks on."""
    deltas: dict[tuple[uuid.UUID, int, int, str], int] = defaultdict(int)
    for row in rows:
        deltas[row.occurrence_id, row.site_id, _WAVE, _counted(row.before, row.reason_before)] -= 1
        deltas[row.occurrence_id, row.site_id, _WAVE, _counted(row.after, row.reason)] += 1
    await count(tx, deltas)
    ended = {row.occurrence_id for row in rows if OnboardingState(row.after) not in OPEN_STATES}
    if ended:
        # A network in which there is nothing to do is looked at with success.
        await close_finished(tx, sorted(ended), now, idle=Outcome.SUCCESS)
    await _publish(tx, rows, now)


def _counted(state: str, reason: str | None) -> str:
    return str(counted_as(OnboardingState(state), OnboardingReason(reason) if reason else None))


async def _publish(tx: AsyncConnection, rows: Sequence[Row[*tuple[Any, ...]]], now: datetime) -> None:
    places: dict[tuple[uuid.UUID, int], list[Row[*tuple[Any, ...]]]] = defaultdict(list)
    for row in rows:
        places[row.occurrence_id, row.site_id].append(row)
    counts = await counts_in_sites(tx, {occurrence for occurrence, _ in places})
    told = []
    for (occurrence, site), some in places.items():
        about = {"job_id": some[0].job_id, "occurrence_id": str(occurrence), "site_id": site}
        told.append(Event("run.progress", {**about, "counts": counts[occurrence, site]}, site))
        brief = [{"target_id": one.id, "state": one.after, "reason": one.reason} for one in some[:_ROWS_PER_EVENT]]
        told.append(Event("onboarding.changed", {**about, "targets": brief}, site))
    await events.publish(tx, told, now)


async def added(tx: AsyncConnection, rows: Sequence[Row[*tuple[Any, ...]]], now: datetime) -> None:
    """Count rows that are new: (occurrence_id, job_id, site_id, state, reason)."""
    deltas: dict[tuple[uuid.UUID, int, int, str], int] = defaultdict(int)
    for row in rows:
        deltas[row.occurrence_id, row.site_id, _WAVE, _counted(row.state, row.reason)] += 1
    await count(tx, deltas)
    await publish_in_sites(tx, sorted({(row.job_id, row.occurrence_id, row.site_id) for row in rows}), now)


async def stop_onboarding(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID], now: datetime) -> int:
    """Withdraw what has not begun and ask workers to stop the rest; how many addresses that is about.

    Whoever is at work on a machine ends it cleanly and says so; where nobody is, the next worker does.
    """
    if not (await tx.execute(_RUNS_OF, {"ids": list(occurrence_ids)})).all():
        return 0
    rows = (await tx.execute(_OF_OCCURRENCES, {"ids": list(occurrence_ids)})).all()
    why = "It was cancelled before it began."
    moves = [OnboardingMove(row.id, _S.SKIPPED, _R.CANCELLED, why) for row in rows if row.state == _S.PENDING]
    await move_onboarding(tx, moves, now)
    await tx.execute(_WITHOUT_ROWS, {"ids": list(occurrence_ids), "now": now})
    await db.notify(tx, ONBOARDING)
    return len(rows)


async def to_stop(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID]) -> tuple[int, int]:
    """How many addresses have not begun, and at how many a worker is."""
    rows = (await tx.execute(_OF_OCCURRENCES, {"ids": list(occurrence_ids)})).all()
    pending = sum(row.state == _S.PENDING for row in rows)
    return pending, len(rows) - pending


async def withdraw_run(tx: AsyncConnection, run_id: int, why: str, now: datetime) -> None:
    """End what is left of a run that is stopped, once nobody is at work on it any more."""
    rows = (await tx.execute(_OF_RUN, {"run_id": run_id})).all()
    began = f"{why} in the middle of it; what had been begun there was taken back, as far as it was still reached."
    words = {_S.PENDING: f"{why} before it began."}
    moves = [
        OnboardingMove(row.id, _S.SKIPPED, _R.CANCELLED, words.get(OnboardingState(row.state), began)) for row in rows
    ]
    await tx.execute(CUT_OFF, {"ids": [row.id for row in rows], "now": now.isoformat()})
    await agents.withdraw_requests(tx, [row.id for row in rows if row.state != _S.PENDING], now)
    await move_onboarding(tx, moves, now)


async def give_up_onboarding(tx: AsyncConnection, run_id: int, error: str, now: datetime) -> None:
    """No worker came to an end with a run: what is open of it ends too."""
    rows = (await tx.execute(_OF_RUN, {"run_id": run_id})).all()
    detail = f"Nothing was looked at: {error}."
    never = (await tx.execute(_NEVER_BEGUN, {"run_id": run_id, "now": now, "detail": storable(detail)})).all()
    if never:
        await publish_occurrences(tx, [(row.job_id, row.id) for row in never], now)
        return
    await tx.execute(CUT_OFF, {"ids": [row.id for row in rows], "now": now.isoformat()})
    why = f"No worker came to an end with this run: {error}."
    await move_onboarding(tx, [OnboardingMove(row.id, _S.FAILED, _R.GAVE_UP, why) for row in rows], now)
    # Where all its addresses had ended already, no move closes it.
    await close_onboarding(tx, run_id, now)


async def close_onboarding(tx: AsyncConnection, run_id: int, now: datetime) -> int:
    """Close the occurrence of a run that has nothing open; how many of its addresses are still open."""
    row = (await tx.execute(_OPEN_LEFT, {"run_id": run_id})).one_or_none()
    if row is None:
        return 0
    if not row.number:
        await close_finished(tx, [row.occurrence_id], now, idle=Outcome.SUCCESS)
    return int(row.number)


async def end_onboarding(tx: AsyncConnection, end: OnboardingMove, now: datetime) -> None:
    """What came of a machine that a worker was at. What of its timeline was under way then was cut off."""
    await tx.execute(CUT_OFF, {"ids": [end.target_id], "now": now.isoformat()})
    if end.state is _S.FAILED and end.reason not in STAYS_THERE:
        await agents.withdraw_requests(tx, [end.target_id], now)
    await move_onboarding(tx, [end], now)
    if end.state is _S.WAITING_APPROVAL:
        # Its request may have been decided by now, and who follows decisions has looked already.
        await db.notify(tx, APPROVALS)


async def follow_approvals(tx: AsyncConnection, now: datetime) -> int:
    """Bring addresses up to what became of their machines' requests; how many changed. Safe to be called by several at once."""
    asked = (await tx.execute(_JOIN_REQUESTS, {"since": now - _FOLLOWED_FOR})).all()
    if asked:
        columns = {
            "ids": [row.id for row in asked],
            "approvals": [row.approval_id for row in asked],
            "hostnames": [row.hostname for row in asked],
        }
        await tx.execute(_LINK, columns)
        waiting = "Its agent runs, and waits for a person's approval."
        await move_onboarding(tx, [OnboardingMove(row.id, _S.WAITING_APPROVAL, None, waiting) for row in asked], now)
    return len(asked) + await _follow_decisions(tx, now)


async def _follow_decisions(tx: AsyncConnection, now: datetime) -> int:
    rows = (await tx.execute(_DECIDED)).all()
    if not rows:
        return 0
    approved = [row for row in rows if row.device_id is not None]
    await tx.execute(_DEVICES, {"ids": [row.id for row in approved], "devices": [row.device_id for row in approved]})
    # What was entered then is what is trusted from now on.
    await tx.execute(_TRUST, {"ids": [row.id for row in approved]})
    await move_onboarding(tx, [_decision(row) for row in rows], now)
    return len(rows)


def _decision(row: Row[*tuple[Any, ...]]) -> OnboardingMove:
    match row.state:
        case "approved":
            return OnboardingMove(row.id, _S.APPROVED, None, "It is a device now.")
        case "denied":
            why = f"Its request was denied: {row.reason}" if row.reason else "Its request was denied."
            return OnboardingMove(row.id, _S.DENIED, _R.DENIED, why)
        case _:
            return OnboardingMove(row.id, _S.EXPIRED, _R.EXPIRED, "Nobody decided about its request in time.")

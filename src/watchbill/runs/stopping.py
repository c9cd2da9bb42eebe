"""Stopping work: what has not begun is withdrawn, what runs is asked to stop and answers for itself.

And the reaper: every state that is not terminal has a bound, and what passed it is settled here.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import queue
from watchbill.core.states import ACTIVE_TARGET, TargetEvent, TargetState
from watchbill.kit import db
from watchbill.runs import in_sessions, workflow_wakes
from watchbill.runs.left_out import leave_rest_out
from watchbill.runs.moves import Move, Moved, move, publish_occurrences
from watchbill.runs.onboarding_moves import stop_onboarding
from watchbill.runs.taking import KILL_GRACE, SILENCE
from watchbill.runs.turns import PLAYBOOKS, gateway_channel

_MARK = text(
    "UPDATE occurrences SET cancelled_by = :operator, cancel_requested_at = coalesce(cancel_requested_at, :now)"
    " WHERE id = ANY(:ids)"
)
_OPEN = text("SELECT id, job_id FROM occurrences WHERE id = ANY(:ids) AND state IN ('open', 'held')")
_WITHDRAW_HELD = text(
    "UPDATE occurrences SET state = 'closed', outcome = 'cancelled', closed_at = :now WHERE id = ANY(:ids) AND state = 'held'"
)
_OPEN_OF_JOBS = text(
    "SELECT id FROM occurrences WHERE job_id = ANY(:job_ids) AND state IN ('open', 'held') ORDER BY id"
)
_RUNS_OF = text("SELECT id FROM runs WHERE occurrence_id = ANY(:ids)")
_UNFINISHED = text("""
SELECT id, state, attempt FROM run_targets
WHERE occurrence_id = ANY(:ids) AND deadline_at IS NOT NULL AND state <> 'cancelling' ORDER BY id
""")
# What a gateway has to pass on: everything that waits for a device's answer to a stop.
_TO_CANCEL = text("""
SELECT e.id, e.device_id FROM run_targets t
JOIN executions e ON e.run_id = t.run_id AND e.target_id = t.id AND e.term = t.term AND e.state <> 'finished'
  AND e.item_id IS NULL
JOIN device_presence p ON p.device_id = t.device_id AND p.gateway_id = :gateway_id
WHERE t.state = 'cancelling'
""")
# Past its bound, or still running when it is to be stopped. A row that never started may have made room for one that starts
# at this very moment, or have waited for its turn all the time.
_OVERDUE = text("""
SELECT t.id, t.job_id, t.run_id, t.state, t.released_at, t.is_paced, t.stop_reason, t.deadline_at <= :now AS is_overdue, r.exclusivity,
  t.reason = 'no_user_session' AND EXISTS (SELECT FROM device_presence p WHERE p.device_id = t.device_id AND p.gateway_id IS NOT NULL)
    AS is_unattended,
  EXISTS (SELECT FROM run_targets n WHERE n.job_id = t.job_id AND n.device_id = t.device_id AND n.deadline_at IS NOT NULL
    AND n.id > t.id AND n.starts_at = t.expires_at) AS has_made_room,
  r.exclusivity <> 'none' AND EXISTS (SELECT FROM run_targets b WHERE b.job_id = t.job_id AND b.device_id = t.device_id
    AND b.deadline_at IS NOT NULL AND b.id <> t.id AND b.state IN ('connecting', 'dispatched', 'running', 'cancelling')) AS is_behind
FROM run_targets t JOIN runs r ON r.id = t.run_id
WHERE t.id IN (
  (SELECT id FROM run_targets WHERE deadline_at <= :now ORDER BY deadline_at LIMIT :limit)
  UNION ALL
  (SELECT id FROM run_targets WHERE stop_by_at <= :now AND deadline_at IS NOT NULL AND state <> 'cancelling' ORDER BY stop_by_at LIMIT :limit)
) AND (t.deadline_at <= :now OR (t.stop_by_at <= :now AND t.deadline_at IS NOT NULL AND t.state <> 'cancelling'))
ORDER BY t.id FOR UPDATE OF t SKIP LOCKED
""")
_ACTIVE_RUNS = text("""
SELECT DISTINCT job_id, run_id FROM run_targets
WHERE job_id = ANY(:jobs) AND deadline_at IS NOT NULL AND state IN ('connecting', 'dispatched', 'running', 'cancelling')
""")
_NEXT_DEADLINE = text("""
SELECT least(
  (SELECT min(deadline_at) FROM run_targets WHERE deadline_at IS NOT NULL),
  (SELECT min(stop_by_at) FROM run_targets WHERE stop_by_at IS NOT NULL AND deadline_at IS NOT NULL AND state <> 'cancelling'))
""")
_GATEWAYS_OF = text("""
SELECT DISTINCT p.gateway_id FROM run_targets t JOIN device_presence p ON p.device_id = t.device_id
WHERE t.id = ANY(:ids) AND p.gateway_id IS NOT NULL ORDER BY 1
""")

_NO_PLACE = "Its wave had not begun, or no place was free, when its latest start had come."
_STOPPED = {
    "outside_window": "It still ran when its window closed.",
    "run_limit": "It still ran when the time for the whole run was over.",
    "replaced": "A newer run of the job took its place.",
}


def stopped_because(reason: str | None) -> str | None:
    """The sentence of a stop that is not a person's."""
    return _STOPPED.get(reason or "")


async def cancel_occurrences(
    tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID], *, operator_id: int | None, now: datetime
) -> int:
    """Stop occurrences; returns how many targets are affected. Work that has begun answers when its device has stopped it."""
    return len(await stop_occurrences(tx, occurrence_ids, operator_id=operator_id, now=now))


async def stop_occurrences(
    tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID], *, operator_id: int | None, now: datetime
) -> list[Moved]:
    """The same; returns what was withdrawn, or has to answer now."""
    there = (await tx.execute(_OPEN, {"ids": list(occurrence_ids)})).all()
    ids = [row.id for row in there]
    if not ids:
        return []
    runs = (await tx.execute(_RUNS_OF, {"ids": ids})).scalars().all()
    await queue.cancel(tx, runs, now)
    # Targets before occurrences, as everybody locks them.
    stopped = await stop_targets(tx, (await tx.execute(_UNFINISHED, {"ids": ids})).all(), now)
    await stop_onboarding(tx, ids, now)
    await workflow_wakes.cancel_asked(tx, ids, now)
    await tx.execute(_MARK, {"ids": ids, "operator": operator_id, "now": now})
    await tx.execute(_WITHDRAW_HELD, {"ids": ids, "now": now})
    await publish_occurrences(tx, [(row.job_id, row.id) for row in there], now)
    return stopped


async def stop_targets(
    tx: AsyncConnection, rows: Sequence[Row[*tuple[Any, ...]]], now: datetime, *, why: str | None = None
) -> list[Moved]:
    """Withdraw or stop targets, rows of id and state, because a person says so; `why` is told with what never began."""
    bound = now + KILL_GRACE + SILENCE
    moves = []
    for row in rows:
        has_begun = TargetState(row.state) in ACTIVE_TARGET or row.attempt
        reason, detail = (None, None) if has_begun else ("not_started_cancelled", why)
        moves.append(Move(row.id, TargetEvent.CANCEL, deadline_at=bound, reason=reason, detail=detail))
    moved = await move(tx, moves, now)
    await leave_rest_out(tx, moved, now)
    await pass_on(tx, [one.target_id for one in moved if one.after is TargetState.CANCELLING])
    return moved


async def cancel_job(tx: AsyncConnection, job_id: int, *, operator_id: int | None, now: datetime) -> int:
    """Stop everything of a job that is open."""
    return await cancel_jobs(tx, [job_id], operator_id=operator_id, now=now)


async def cancel_jobs(tx: AsyncConnection, job_ids: Sequence[int], *, operator_id: int | None, now: datetime) -> int:
    """The same for several jobs at once."""
    ids = (await tx.execute(_OPEN_OF_JOBS, {"job_ids": list(job_ids)})).scalars().all()
    return await cancel_occurrences(tx, ids, operator_id=operator_id, now=now)


async def to_cancel(tx: AsyncConnection, gateway_id: uuid.UUID) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """(execution, device) of this gateway's devices that are to be stopped and have not answered."""
    return [(row.id, row.device_id) for row in await tx.execute(_TO_CANCEL, {"gateway_id": gateway_id})]


async def reap(tx: AsyncConnection, now: datetime, *, limit: int = 1000) -> int:
    """Settle targets whose bound has passed, and stop what is to have ended by now; returns how many were looked at."""
    rows = (await tx.execute(_OVERDUE, {"now": now, "limit": limit})).all()
    shut_out = await _shut_out(tx, rows)
    moves = [_overdue(row, now, waits_its_turn=row.is_behind or row.id in shut_out) for row in rows]
    await leave_rest_out(tx, await move(tx, moves, now), now)
    await pass_on(tx, [one.target_id for one in moves if one.event is TargetEvent.CANCEL])
    return len(rows)


async def _shut_out(tx: AsyncConnection, rows: Sequence[Row[*tuple[Any, ...]]]) -> set[int]:
    """Those that never started because another run of their job was at it, and only one at a time may be."""
    lone = [row for row in rows if row.exclusivity == "job" and TargetState(row.state) not in ACTIVE_TARGET]
    if not lone:
        return set()
    active = (await tx.execute(_ACTIVE_RUNS, {"jobs": sorted({row.job_id for row in lone})})).all()
    return {row.id for row in lone if any(one.job_id == row.job_id and one.run_id != row.run_id for one in active)}


def _overdue(row: Row[*tuple[Any, ...]], now: datetime, *, waits_its_turn: bool) -> Move:
    if TargetState(row.state) not in ACTIVE_TARGET:
        return _never_started(row, waits_its_turn=waits_its_turn)
    if row.is_overdue:
        detail = "The device did not answer within its bound; whether the script ran to its end is not known."
        return Move(row.id, TargetEvent.LOSE, reason="no_answer", detail=detail)
    reason = row.stop_reason or "run_limit"
    return stop_of(row.id, reason, now)


def stop_of(target_id: int, reason: str, now: datetime) -> Move:
    """The stop of what runs, for a reason that is not a person's. To be passed on to its gateway once it took place."""
    bound = now + KILL_GRACE + SILENCE
    return Move(target_id, TargetEvent.CANCEL, reason=reason, detail=_STOPPED.get(reason), deadline_at=bound)


def _never_started(row: Row[*tuple[Any, ...]], *, waits_its_turn: bool) -> Move:
    if row.is_paced and row.released_at is None and TargetState(row.state) is TargetState.PENDING:
        return Move(row.id, TargetEvent.SKIP, reason="not_started_in_time", detail=_NO_PLACE)
    if row.released_at is None and not row.is_paced:
        return Move(row.id, TargetEvent.SKIP, reason="late_start")
    if row.has_made_room:
        return Move(row.id, TargetEvent.SUPERSEDE, reason="superseded")
    if waits_its_turn:
        detail = "An earlier run of the job was still active when its latest start had come."
        return Move(row.id, TargetEvent.SKIP, reason="previous_run_active", detail=detail)
    if row.is_unattended:
        return Move(row.id, TargetEvent.SKIP, reason=in_sessions.REASON, detail=in_sessions.NOBODY_CAME)
    return Move(row.id, TargetEvent.EXPIRE, reason="offline")


async def pass_on(tx: AsyncConnection, target_ids: Sequence[int]) -> None:
    """Ring for the gateways that hold the devices of targets that are to be stopped, and for workers that run playbooks on them."""
    if target_ids:
        for gateway_id in (await tx.execute(_GATEWAYS_OF, {"ids": list(target_ids)})).scalars().all():
            await db.notify(tx, gateway_channel(gateway_id), "cancel")
        await db.notify(tx, PLAYBOOKS)


async def next_deadline(tx: AsyncConnection) -> datetime | None:
    found: datetime | None = (await tx.execute(_NEXT_DEADLINE)).scalar_one_or_none()
    return found


_UNRELEASED = text(
    "SELECT id FROM run_targets WHERE run_id = :run_id AND site_id = :site_id AND state = 'pending' AND released_at IS NULL"
)


async def fail_unreleased(tx: AsyncConnection, run_id: int, site_id: int, why: str, now: datetime) -> None:
    """Settle what a work item that was given up never let go."""
    rows = (await tx.execute(_UNRELEASED, {"run_id": run_id, "site_id": site_id})).scalars().all()
    await move(tx, [Move(row, TargetEvent.FAIL, reason="worker_failed", detail=why) for row in rows], now)

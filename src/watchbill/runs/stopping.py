"""Stopping work: what has not begun is withdrawn, what runs is asked to stop and answers for itself.

And the reaper: every state that is not terminal has a bound, and what passed it is settled here.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import queue
from watchbill.core.states import ACTIVE_TARGET, TargetEvent, TargetState
from watchbill.kit import db
from watchbill.runs.moves import Move, move, publish_occurrences
from watchbill.runs.taking import KILL_GRACE, SILENCE
from watchbill.runs.turns import gateway_channel

_MARK = text(
    "UPDATE occurrences SET cancelled_by = :operator, cancel_requested_at = coalesce(cancel_requested_at, :now)"
    " WHERE id = ANY(:ids)"
)
_OPEN = text("SELECT id, job_id FROM occurrences WHERE id = ANY(:ids) AND state IN ('open', 'held')")
_WITHDRAW_HELD = text(
    "UPDATE occurrences SET state = 'closed', outcome = 'cancelled', closed_at = :now WHERE id = ANY(:ids) AND state = 'held'"
)
_OPEN_OF_JOB = text("SELECT id FROM occurrences WHERE job_id = :job_id AND state IN ('open', 'held')")
_RUNS_OF = text("SELECT id FROM runs WHERE occurrence_id = ANY(:ids)")
_UNFINISHED = text("""
SELECT t.id, t.state, p.gateway_id FROM run_targets t LEFT JOIN device_presence p ON p.device_id = t.device_id
WHERE t.occurrence_id = ANY(:ids) AND t.deadline_at IS NOT NULL AND t.state <> 'cancelling' ORDER BY t.id
""")
# What a gateway has to pass on: everything that waits for a device's answer to a stop.
_TO_CANCEL = text("""
SELECT e.id, e.device_id FROM run_targets t
JOIN executions e ON e.target_id = t.id AND e.term = t.term AND e.state <> 'finished'
JOIN device_presence p ON p.device_id = t.device_id AND p.gateway_id = :gateway_id
WHERE t.state = 'cancelling'
""")
_OVERDUE = text("""
SELECT id, state, released_at FROM run_targets WHERE deadline_at <= :now ORDER BY deadline_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_NEXT_DEADLINE = text("SELECT min(deadline_at) FROM run_targets WHERE deadline_at IS NOT NULL")


async def cancel_occurrences(
    tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID], *, operator_id: int | None, now: datetime
) -> int:
    """Stop occurrences; returns how many targets are affected. Work that has begun answers when its device has stopped it."""
    there = (await tx.execute(_OPEN, {"ids": list(occurrence_ids)})).all()
    ids = [row.id for row in there]
    if not ids:
        return 0
    runs = (await tx.execute(_RUNS_OF, {"ids": ids})).scalars().all()
    await queue.cancel(tx, runs, now)
    # Targets before occurrences, as everybody locks them.
    affected = await _cancel_targets(tx, ids, now)
    await tx.execute(_MARK, {"ids": ids, "operator": operator_id, "now": now})
    await tx.execute(_WITHDRAW_HELD, {"ids": ids, "now": now})
    await publish_occurrences(tx, [(row.job_id, row.id) for row in there], now)
    return affected


async def _cancel_targets(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID], now: datetime) -> int:
    rows = (await tx.execute(_UNFINISHED, {"ids": list(occurrence_ids)})).all()
    bound = now + KILL_GRACE + SILENCE
    moves = [
        Move(row.id, TargetEvent.CANCEL, deadline_at=bound, reason=_reason(TargetState(row.state))) for row in rows
    ]
    moved = await move(tx, moves, now)
    for gateway_id in sorted({row.gateway_id for row in rows if row.gateway_id}):
        await db.notify(tx, gateway_channel(gateway_id), "cancel")
    return len(moved)


def _reason(state: TargetState) -> str | None:
    return None if state in ACTIVE_TARGET else "not_started_cancelled"


async def cancel_job(tx: AsyncConnection, job_id: int, *, operator_id: int | None, now: datetime) -> int:
    """Stop everything of a job that is open."""
    ids = (await tx.execute(_OPEN_OF_JOB, {"job_id": job_id})).scalars().all()
    return await cancel_occurrences(tx, ids, operator_id=operator_id, now=now)


async def to_cancel(tx: AsyncConnection, gateway_id: uuid.UUID) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """(execution, device) of this gateway's devices that are to be stopped and have not answered."""
    return [(row.id, row.device_id) for row in await tx.execute(_TO_CANCEL, {"gateway_id": gateway_id})]


async def reap(tx: AsyncConnection, now: datetime, *, limit: int = 1000) -> int:
    """Settle targets whose bound has passed; returns how many were looked at."""
    rows = (await tx.execute(_OVERDUE, {"now": now, "limit": limit})).all()
    await move(tx, [_overdue(row.id, TargetState(row.state), is_released=bool(row.released_at)) for row in rows], now)
    return len(rows)


def _overdue(target_id: int, state: TargetState, *, is_released: bool) -> Move:
    if state in ACTIVE_TARGET:
        detail = "The device did not answer within its bound; whether the script ran to its end is not known."
        return Move(target_id, TargetEvent.LOSE, reason="no_answer", detail=detail)
    if is_released:
        return Move(target_id, TargetEvent.EXPIRE, reason="offline")
    return Move(target_id, TargetEvent.SKIP, reason="late_start")


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


#: No reaper looks away longer than this, whatever the next known bound is.
LONGEST_REST = timedelta(seconds=30)

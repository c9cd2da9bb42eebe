"""What a newly opened occurrence means for earlier rows of its job: those that never started give way, active ones may be replaced.

Backfilled rows stand aside from this in both directions: whoever asked for each of those instants gets each of them.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.states import TargetEvent
from watchbill.runs.moves import Move, move
from watchbill.runs.stopping import pass_on, stop_of
from watchbill.runs.to_open import Opening

# What is unfinished of these jobs is read once, and what is new is hashed, by way of an array that the planner takes to be short: it
# knows least of rows that were written a moment ago, and a look for each of them can go through all of them each time.
_BEFORE = text("""
SELECT o.id, o.job_id, CASE WHEN o.job_id = ANY(:following) THEN o.device_id END AS device_id,
  o.state IN ('pending', 'waiting_online') AS is_waiting
FROM run_targets o
WHERE o.job_id = ANY(:jobs) AND o.deadline_at IS NOT NULL AND NOT o.occurrence_id = ANY(:new)
  AND (o.state IN ('pending', 'waiting_online') OR o.job_id = ANY(:replacing))
  AND (o.job_id = ANY(:whole) OR (o.job_id, o.device_id) IN (
    SELECT n.job_id, unnest(array_agg(n.device_id)) FROM run_targets n
    WHERE n.occurrence_id = ANY(:new) AND n.state = 'pending' GROUP BY n.job_id))
  AND o.occurrence_id NOT IN (
    SELECT e.id FROM occurrences e WHERE e.job_id = ANY(:jobs) AND e.state = 'open' AND e.kind = 'backfill')
""")
# All at once and in the order in which everybody locks them. What a gateway took since they were looked for shows here.
_LOCK = text("""
SELECT id, state IN ('pending', 'waiting_online') AS is_waiting FROM run_targets
WHERE id = ANY(:ids) AND deadline_at IS NOT NULL ORDER BY id FOR UPDATE
""")
_STILL_TO_COME = text("""
SELECT job_id, device_id, min(starts_at) AS starts_at FROM run_targets
WHERE occurrence_id = ANY(:new) AND state = 'pending' AND starts_at > :now GROUP BY job_id, device_id
""")

# What still runs at the new row's own start is stopped then, where the new row replaces it.
_UNTIL = text("""
WITH chosen AS (
  SELECT * FROM unnest(CAST(:ids AS bigint[]), CAST(:until AS timestamptz[]), CAST(:replaces AS boolean[])) AS c(id, until, replaces)
), locked AS (
  SELECT t.id FROM run_targets t WHERE t.id = ANY(:ids) AND t.deadline_at IS NOT NULL ORDER BY t.id FOR UPDATE
)
UPDATE run_targets t SET
  expires_at = CASE WHEN t.state IN ('pending', 'waiting_online') THEN least(t.expires_at, c.until) ELSE t.expires_at END,
  deadline_at = CASE WHEN t.state IN ('pending', 'waiting_online') THEN least(t.deadline_at, c.until) ELSE t.deadline_at END,
  stop_by_at = CASE WHEN c.replaces THEN least(t.stop_by_at, c.until) ELSE t.stop_by_at END,
  stop_reason = CASE WHEN c.replaces AND c.until < coalesce(t.stop_by_at, 'infinity') THEN 'replaced' ELSE t.stop_reason END
FROM chosen c JOIN locked l ON l.id = c.id
WHERE t.id = c.id AND t.state IN ('pending', 'waiting_online', 'connecting', 'dispatched', 'running', 'cancelling')
""")


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A row that gives way now, or (`until`) when the new row of its device starts, whose zone has not come to its turn."""

    target_id: int
    is_waiting: bool
    is_replaced: bool
    until: datetime | None


async def give_way(tx: AsyncConnection, begun: Sequence[Opening], now: datetime) -> None:
    """Settle the earlier rows of the jobs of these occurrences, which have just been opened and have devices to run on."""
    strict = [one for one in begun if one.overlap != "allow" and one.kind != "backfill"]
    if not strict:
        return
    earlier = await _locked(tx, await _earlier(tx, strict, now))
    await _give_way_later(tx, [one for one in earlier if one.until is not None])
    await _give_way_now(tx, [one for one in earlier if one.until is None], now)


async def _earlier(tx: AsyncConnection, strict: Sequence[Opening], now: datetime) -> list[_Earlier]:
    replacing = {one.job_id for one in strict if one.overlap == "replace"}
    following = {one.job_id for one in strict if one.waves}
    values = {
        "jobs": sorted({one.job_id for one in strict}),
        "new": [one.id for one in strict],
        "whole": sorted({one.job_id for one in strict if _takes_the_job(one)}),
        "replacing": sorted(replacing),
        "following": sorted(following),
    }
    rows = (await tx.execute(_BEFORE, values)).all()
    turns = await _still_to_come(tx, [one.id for one in strict if one.waves], now) if rows and following else {}
    return [
        _Earlier(row.id, row.is_waiting, row.job_id in replacing, turns.get((row.job_id, row.device_id)))
        for row in rows
    ]


async def _locked(tx: AsyncConnection, some: Sequence[_Earlier]) -> list[_Earlier]:
    """Those that are to give way still, as they are now that nobody else can change them."""
    if not some:
        return []
    rows = await tx.execute(_LOCK, {"ids": [one.target_id for one in some]})
    is_waiting = {row.id: row.is_waiting for row in rows}
    there = [replace(one, is_waiting=is_waiting[one.target_id]) for one in some if one.target_id in is_waiting]
    return [one for one in there if one.is_waiting or one.is_replaced]


def _takes_the_job(one: Opening) -> bool:
    """Whether the whole job gives way. Chosen devices, and waves that come one after another, take only their own devices' turn."""
    return one.overlap_scope == "job" and one.device_ids is None and not one.waves


async def _still_to_come(
    tx: AsyncConnection, new: Sequence[uuid.UUID], now: datetime
) -> Mapping[tuple[int, uuid.UUID], datetime]:
    """When the new rows start whose zones have not come to their turn, by job and device: until then earlier ones may run."""
    rows = await tx.execute(_STILL_TO_COME, {"new": list(new), "now": now})
    return {(row.job_id, row.device_id): row.starts_at for row in rows}


async def _give_way_later(tx: AsyncConnection, some: Sequence[_Earlier]) -> None:
    if not some:
        return
    columns: dict[str, list[Any]] = {
        "ids": [one.target_id for one in some],
        "until": [one.until for one in some],
        "replaces": [one.is_replaced for one in some],
    }
    await tx.execute(_UNTIL, columns)


async def _give_way_now(tx: AsyncConnection, some: Sequence[_Earlier], now: datetime) -> None:
    moves = [
        Move(one.target_id, TargetEvent.SUPERSEDE, reason="superseded")
        if one.is_waiting
        else stop_of(one.target_id, "replaced", now)
        for one in sorted(some, key=lambda one: one.target_id)
    ]
    await move(tx, moves, now)
    await pass_on(tx, [one.target_id for one in some if not one.is_waiting])

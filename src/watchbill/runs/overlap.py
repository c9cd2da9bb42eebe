"""What a newly opened occurrence means for earlier rows of its job: those that never started give way, active ones may be replaced.

Backfilled rows stand aside from this in both directions: whoever asked for each of those instants gets each of them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.states import TargetEvent
from watchbill.kit import db
from watchbill.runs.moves import Move, move
from watchbill.runs.taking import KILL_GRACE, SILENCE
from watchbill.runs.to_open import Opening
from watchbill.runs.turns import gateway_channel

# Whoever backfills asked for each of those instants; few occurrences are open at a time.
_ASIDE = "SELECT e.id FROM occurrences e WHERE e.job_id = ANY(:jobs) AND e.state = 'open' AND e.kind = 'backfill'"

# The rows before those of `new` on the same device. One whose own start is still to come (a zone further west) only gives way
# then: until that moment the earlier one may run.
_ON_DEVICES = text(f"""
SELECT o.id, o.state IN ('pending', 'waiting_online') AS is_waiting, n.occurrence_id = ANY(:replacing) AS replaces,
  CASE WHEN n.occurrence_id = ANY(:following) AND n.starts_at > :now THEN n.starts_at END AS gives_way_at
FROM run_targets n
JOIN run_targets o ON o.job_id = n.job_id AND o.device_id = n.device_id AND o.deadline_at IS NOT NULL
WHERE n.occurrence_id = ANY(:new) AND n.state = 'pending' AND NOT o.occurrence_id = ANY(:all_new)
  AND (o.state IN ('pending', 'waiting_online') OR n.occurrence_id = ANY(:replacing)) AND o.occurrence_id NOT IN ({_ASIDE})
""")

# One run of the whole job at a time: the rows before it on any device.
_IN_JOBS = text(f"""
SELECT o.id, o.state IN ('pending', 'waiting_online') AS is_waiting, n.replaces, CAST(NULL AS timestamptz) AS gives_way_at
FROM (SELECT job_id, bool_or(id = ANY(:replacing)) AS replaces FROM occurrences WHERE id = ANY(:new) GROUP BY job_id) n
JOIN run_targets o ON o.job_id = n.job_id AND o.deadline_at IS NOT NULL
WHERE NOT o.occurrence_id = ANY(:all_new) AND (o.state IN ('pending', 'waiting_online') OR n.replaces)
  AND o.occurrence_id NOT IN ({_ASIDE})
""")

_GATEWAYS = text("""
SELECT DISTINCT p.gateway_id FROM run_targets t JOIN device_presence p ON p.device_id = t.device_id
WHERE t.id = ANY(:ids) AND p.gateway_id IS NOT NULL ORDER BY p.gateway_id
""")

# What still runs at the new row's own start is stopped then, where the new row replaces it.
_UNTIL = text("""
WITH chosen AS (
  SELECT id, min(until) AS until, bool_or(replaces) AS replaces
  FROM unnest(CAST(:ids AS bigint[]), CAST(:until AS timestamptz[]), CAST(:replaces AS boolean[])) AS c(id, until, replaces) GROUP BY id
), locked AS (
  SELECT t.id FROM run_targets t WHERE t.id = ANY(:ids) AND t.deadline_at IS NOT NULL ORDER BY t.id FOR UPDATE
)
UPDATE run_targets t SET
  expires_at = CASE WHEN t.state IN ('pending', 'waiting_online') THEN least(t.expires_at, c.until) ELSE t.expires_at END,
  deadline_at = CASE WHEN t.state IN ('pending', 'waiting_online') THEN least(t.deadline_at, c.until) ELSE t.deadline_at END,
  stop_by_at = CASE WHEN c.replaces THEN least(t.stop_by_at, c.until) ELSE t.stop_by_at END,
  stop_reason = CASE WHEN c.replaces AND c.until < coalesce(t.stop_by_at, 'infinity') THEN 'replaced' ELSE t.stop_reason END
FROM chosen c JOIN locked l ON l.id = c.id WHERE t.id = c.id AND t.deadline_at IS NOT NULL
""")


async def give_way(tx: AsyncConnection, begun: Sequence[Opening], now: datetime) -> None:
    """Settle the earlier rows of the jobs of these occurrences, which have just been opened and have devices to run on."""
    strict = [one for one in begun if one.overlap != "allow" and one.kind != "backfill"]
    if not strict:
        return
    whole = [one for one in strict if _takes_the_job(one)]
    rows = [
        *await _before(tx, _ON_DEVICES, [one for one in strict if not _takes_the_job(one)], begun, now),
        *await _before(tx, _IN_JOBS, whole, begun, now),
    ]
    await _give_way_later(tx, [row for row in rows if row.gives_way_at is not None])
    await _settle(tx, [row for row in rows if row.gives_way_at is None], now)


def _takes_the_job(one: Opening) -> bool:
    """Whether the whole job gives way. Chosen devices, and waves that come one after another, take only their own devices' turn."""
    return one.overlap_scope == "job" and one.device_ids is None and not one.waves


async def _before(
    tx: AsyncConnection, statement: Any, some: Sequence[Opening], begun: Sequence[Opening], now: datetime
) -> Sequence[Row[Any]]:
    if not some:
        return ()
    values: dict[str, Any] = {
        "new": [one.id for one in some],
        "replacing": [one.id for one in some if one.overlap == "replace"],
        "all_new": [one.id for one in begun],
        "jobs": sorted({one.job_id for one in some}),
    }
    if statement is _ON_DEVICES:
        values |= {"following": [one.id for one in some if one.waves], "now": now}
    return (await tx.execute(statement, values)).all()


async def _give_way_later(tx: AsyncConnection, rows: Sequence[Row[Any]]) -> None:
    if not rows:
        return
    columns = {
        "ids": [row.id for row in rows],
        "until": [row.gives_way_at for row in rows],
        "replaces": [row.replaces for row in rows],
    }
    await tx.execute(_UNTIL, columns)


async def _settle(tx: AsyncConnection, rows: Sequence[Row[Any]], now: datetime) -> None:
    bound = now + KILL_GRACE + SILENCE
    moves = {
        row.id: Move(row.id, TargetEvent.SUPERSEDE, reason="superseded")
        if row.is_waiting
        else Move(row.id, TargetEvent.CANCEL, reason="replaced", deadline_at=bound)
        for row in rows
    }
    await move(tx, [moves[one] for one in sorted(moves)], now)
    stopped = [row.id for row in rows if not row.is_waiting]
    for gateway_id in (await tx.execute(_GATEWAYS, {"ids": stopped})).scalars() if stopped else ():
        await db.notify(tx, gateway_channel(gateway_id), "cancel")

"""What a clock that went back leaves behind: jobs settled beyond the present, and misses that were none.

The key of an occurrence makes it safe to look at those instants again: what has run does not run twice.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, Row, column, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.core.occurrence import first_mark, next_start
from watchbill.core.schedule import tzdata_version
from watchbill.identity import ENGINE, audit
from watchbill.identity.actor import SiteScope
from watchbill.jobs import Advance
from watchbill.jobs.definition import read_schedule

_AT_ONCE: Final = 500
#: Of more jobs only the number is kept, which is for those who see everything.
_REMEMBERED: Final = 100_000
_ACTION: Final = "outage.set_back"
_SECOND: Final = timedelta(seconds=1)

_AHEAD = text("""
SELECT id, mark_at, definition->'schedule' AS schedule, zone_source FROM jobs
WHERE mark_at > :beyond AND (next_due_at IS NOT NULL OR state = 'completed') AND enabled AND deleted_at IS NULL ORDER BY id LIMIT :limit FOR UPDATE
""")
# What was written as missed by a clock that was ahead was not missed: it is looked at again.
_FORGET = text("""
WITH gone AS (
  DELETE FROM occurrences WHERE job_id = ANY(:jobs) AND kind = 'schedule' AND state = 'missed' AND created_at > :now
  RETURNING job_id, scheduled_for_at
)
SELECT job_id, min(scheduled_for_at) AS first FROM gone GROUP BY job_id
""")

_WHOLE = text("""
SELECT CAST(object_id AS bigint) AS outage_id, CAST(detail->>'jobs_total' AS bigint) AS number FROM audit
WHERE object_kind = 'outage' AND object_id = ANY(CAST(:ids AS text[])) AND action = :action
""")
_EACH = text("""
SELECT CAST(object_id AS bigint) AS outage_id, CAST(job.id AS bigint) AS job_id
FROM audit, LATERAL jsonb_array_elements_text(detail->'jobs') AS job(id)
WHERE object_kind = 'outage' AND object_id = ANY(CAST(:ids AS text[])) AND action = :action
""")


async def set_back(tx: AsyncConnection, now: datetime, *, beyond: datetime) -> list[int]:
    """Let every job whose mark lies after `beyond` go on from `now`, or from what was missed untruly; which these were."""
    moved: list[int] = []
    while rows := (await tx.execute(_AHEAD, {"beyond": beyond, "limit": _AT_ONCE})).all():
        zones = await jobs.zones_in_use(tx) if any(row.zone_source != "fixed" for row in rows) else frozenset()
        taken_back = await tx.execute(_FORGET, {"jobs": [row.id for row in rows], "now": now})
        firsts = {row.job_id: row.first for row in taken_back}
        advances = [_advance(row, now, zones, firsts.get(row.id)) for row in rows]
        await jobs.advance(tx, advances, tzdata_version(), now)
        moved += [row.id for row in rows]
    return moved


async def remember(tx: AsyncConnection, outage_id: int, job_ids: Sequence[int], now: datetime) -> None:
    """Put on record which jobs a clock that went back has set back: each reader is told of those that they see."""
    detail = {"jobs": list(job_ids[:_REMEMBERED]), "jobs_total": len(job_ids)}
    await audit.record(tx, ENGINE, _ACTION, "outage", outage_id, now=now, detail=detail)


async def numbers_of(tx: AsyncConnection, scope: SiteScope, outage_ids: Sequence[int]) -> dict[int, int]:
    """How many jobs of these sites each of these outages has set back."""
    values = {"ids": [str(one) for one in outage_ids], "action": _ACTION}
    if scope.site_ids is None:
        return {row.outage_id: row.number for row in await tx.execute(_WHOLE, values)}
    seen = _EACH.bindparams(**values).columns(column("outage_id", BigInteger), column("job_id", BigInteger)).subquery()
    query = select(seen.c.outage_id, func.count().label("number")).where(seen.c.job_id.in_(jobs.visible_ids(scope)))
    return {row.outage_id: row.number for row in await tx.execute(query.group_by(seen.c.outage_id))}


def _advance(row: Row[Any], now: datetime, zones: frozenset[str], first: datetime | None) -> Advance:
    schedule, error = read_schedule(row.schedule)
    mark, next_due = now, None
    try:
        if schedule is not None:
            mark = first_mark(schedule, now, zones)
            mark = mark if first is None else min(mark, first - _SECOND)
            next_due = next_start(schedule, mark, zones)
    except (ValueError, ArithmeticError) as fault:
        error = str(fault)
    return Advance(row.id, mark, next_due, "error" if error else "active" if next_due else "completed", error, None)

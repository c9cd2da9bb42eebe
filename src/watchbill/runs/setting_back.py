"""What a clock that went back leaves behind: jobs settled beyond the present, and misses of instants that are still to come.

The key of an occurrence makes it safe to look at those instants again: what has run does not run twice.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.core.occurrence import COUNT_CAP, WALK_CAP, first_mark, next_start
from watchbill.core.schedule import Schedule, count_between, has_quick_count, latest_before, tzdata_version
from watchbill.jobs import Advance
from watchbill.jobs.definition import read_schedule

_AT_ONCE: Final = 500
_SECOND: Final = timedelta(seconds=1)

_AHEAD = text("""
SELECT id, mark_at, definition->'schedule' AS schedule, zone_source FROM jobs
WHERE mark_at > :beyond AND next_due_at IS NOT NULL AND enabled AND deleted_at IS NULL ORDER BY id LIMIT :limit FOR UPDATE
""")
# A miss is a fact about the past: of what has not come yet there is none.
_FORGET = text("""
DELETE FROM occurrences o USING unnest(CAST(:jobs AS bigint[]), CAST(:marks AS timestamptz[])) AS m(job_id, mark_at)
WHERE o.job_id = m.job_id AND o.kind = 'schedule' AND o.state = 'missed' AND o.scheduled_for_at > m.mark_at
""")
_ACROSS = text("""
SELECT o.id, o.job_id, o.scheduled_for_at AS first, m.mark_at
FROM occurrences o, unnest(CAST(:jobs AS bigint[]), CAST(:marks AS timestamptz[])) AS m(job_id, mark_at)
WHERE o.job_id = m.job_id AND o.kind = 'schedule' AND o.state = 'missed' AND o.scheduled_for_at <= m.mark_at
  AND o.range_end_at > m.mark_at
""")
_CUT = text(
    "UPDATE occurrences SET range_end_at = :last, range_count = :number, is_range_capped = :is_capped WHERE id = :id"
)


async def set_back(tx: AsyncConnection, now: datetime, *, beyond: datetime) -> int:
    """Let every job whose mark lies after `beyond` go on from `now`; returns how many there were."""
    number = 0
    while rows := (await tx.execute(_AHEAD, {"beyond": beyond, "limit": _AT_ONCE})).all():
        zones = await jobs.zones_in_use(tx) if any(row.zone_source != "fixed" for row in rows) else frozenset()
        advances, schedules = _advances(rows, now, zones)
        await jobs.advance(tx, advances, tzdata_version(), now)
        await _take_back(tx, advances, schedules)
        number += len(rows)
    return number


def _advances(
    rows: Sequence[Row[Any]], now: datetime, zones: frozenset[str]
) -> tuple[list[Advance], dict[int, Schedule]]:
    advances, schedules = [], {}
    for row in rows:
        schedule, error = read_schedule(row.schedule)
        mark, next_due = now, None
        try:
            if schedule is not None:
                schedules[row.id] = schedule
                mark = first_mark(schedule, now, zones)
                next_due = next_start(schedule, mark, zones)
        except (ValueError, ArithmeticError) as fault:
            error = str(fault)
        state: jobs.JobState = "error" if error else "active" if next_due else "completed"
        advances.append(Advance(row.id, mark, next_due, state, error, None))
    return advances, schedules


async def _take_back(tx: AsyncConnection, advances: Sequence[Advance], schedules: dict[int, Schedule]) -> None:
    marks = {"jobs": [one.job_id for one in advances], "marks": [one.mark_at for one in advances]}
    await tx.execute(_FORGET, marks)
    cuts = [_cut(row, schedules[row.job_id]) for row in await tx.execute(_ACROSS, marks) if row.job_id in schedules]
    if cuts:
        await tx.execute(_CUT, cuts)


def _cut(row: Row[Any], schedule: Schedule) -> dict[str, object]:
    cap = COUNT_CAP if has_quick_count(schedule) else WALK_CAP
    number = count_between(schedule, row.first - _SECOND, row.mark_at, cap)
    last = latest_before(schedule, row.mark_at)
    return {"id": row.id, "last": last or row.first, "number": max(number, 1), "is_capped": number == cap}

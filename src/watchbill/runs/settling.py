"""Carrying out what the planner says, for a tick, for one job before it is edited, and for a pause that is made up for."""

import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs, windows
from watchbill.core.occurrence import CatchUp, MissedReason, missed_between
from watchbill.core.schedule import tzdata_version
from watchbill.core.states import OccurrenceReason
from watchbill.jobs import DueJob
from watchbill.kit.budget import EVALUATION_SECONDS, Budget, Fault
from watchbill.runs.not_run import Missed, record_held, record_missed, record_skipped
from watchbill.runs.opening import open_occurrences
from watchbill.runs.outages import JUMP_PAUSE
from watchbill.runs.planning import Around, Plan, make_up, missed, plan, readable

_TICK: Final = timedelta(microseconds=1)

# Rows within each range, and the range before it where that reaches into it.
_KNOWN = text("""
SELECT w.id, o.scheduled_for_at AS first, coalesce(o.range_end_at, o.scheduled_for_at) AS last
FROM unnest(CAST(:ids AS uuid[]), CAST(:jobs AS bigint[]), CAST(:firsts AS timestamptz[]), CAST(:lasts AS timestamptz[]))
  AS w(id, job_id, first, last)
CROSS JOIN LATERAL (
  SELECT * FROM (SELECT i.scheduled_for_at, i.range_end_at FROM occurrences i WHERE i.job_id = w.job_id AND i.kind = 'schedule'
    AND i.scheduled_for_at BETWEEN w.first AND w.last) AS inside
  UNION ALL
  SELECT * FROM (SELECT b.scheduled_for_at, b.range_end_at FROM occurrences b WHERE b.job_id = w.job_id AND b.kind = 'schedule'
    AND b.scheduled_for_at < w.first ORDER BY b.scheduled_for_at DESC LIMIT 1) AS before WHERE range_end_at >= w.first
) AS o
ORDER BY w.id, o.scheduled_for_at
""")
_DUE = text("SELECT id FROM jobs WHERE id = ANY(:job_ids) AND enabled AND deleted_at IS NULL AND next_due_at <= :now")
_GUARD = text("SELECT kind, to_at FROM outages WHERE guard = 'up'")


async def carry_out(tx: AsyncConnection, whole: Plan, now: datetime) -> set[uuid.UUID]:
    """Write all of a plan; returns the occurrences that were opened. The caller holds the rows of the jobs."""
    await record_missed(tx, await _without_known(tx, whole.missed), now)
    await record_skipped(tx, whole.skipped, now)
    await record_held(tx, whole.held, now)
    opened = await open_occurrences(tx, whole.openings, now)
    ran = {one.job_id for one in whole.openings if one.id in opened}
    await jobs.advance(tx, whole.advances, tzdata_version(), now, ran=ran)
    await jobs.note_runs(tx, ran - {one.job_id for one in whole.advances}, now)
    return opened


async def _without_known(tx: AsyncConnection, gaps: Sequence[Missed]) -> list[Missed]:
    """What was missed, less the instants that have a row: where a clock went back, some of them ran, and each is told once."""
    if not gaps:
        return []
    columns = {"ids": [gap.id for gap in gaps], "jobs": [gap.job_id for gap in gaps]}
    ends = {"firsts": [gap.first for gap in gaps], "lasts": [gap.last for gap in gaps]}
    known: dict[uuid.UUID, list[tuple[datetime, datetime]]] = defaultdict(list)
    for row in await tx.execute(_KNOWN, {**columns, **ends}):
        known[row.id].append((row.first, row.last))
    if not known:
        return list(gaps)
    settings = await jobs.due_settings_of(tx, {gap.job_id for gap in gaps if gap.id in known})
    pieces: list[Missed] = []
    with Budget(EVALUATION_SECONDS) as budget:
        for gap in gaps:
            found = budget.attempt(_pieces, settings[gap.job_id], gap, known[gap.id]) if gap.id in known else [gap]
            pieces += [gap] if isinstance(found, Fault) else found
    return pieces


def _pieces(job: DueJob, gap: Missed, known: Sequence[tuple[datetime, datetime]]) -> list[Missed]:
    """What lies between the rows that are known, oldest first."""
    schedule, after = readable(job), gap.first - _TICK
    reason: MissedReason = "misfire_policy" if gap.reason == OccurrenceReason.MISFIRE_POLICY else "catch_up_window"
    pieces: list[Missed] = []
    for first, last in [*known, (gap.last + _TICK, gap.last)]:
        if first > after + _TICK:
            between = missed_between(schedule, after, first - _TICK, reason)
            pieces += [missed(job, schedule, between)] if between else []
        after = max(after, last)
    return pieces


async def surroundings(tx: AsyncConnection, due: Sequence[DueJob], *, guard_until: datetime | None = None) -> Around:
    """What besides the due jobs decides about their instants, read in as few statements as they need."""
    if not due:
        return Around(guard_until=guard_until)
    closed = await windows.load(tx)
    return Around(
        zones=await _zones(tx, due),
        guard_until=guard_until,
        windows=closed,
        covering={} if closed.is_empty else await windows.covering_jobs(tx, [job.id for job in due]),
    )


async def _zones(tx: AsyncConnection, due: Sequence[DueJob]) -> Collection[str]:
    if any(job.schedule is not None and job.schedule.is_following for job in due):
        return await jobs.zones_in_use(tx)
    return ()


async def settle_job(tx: AsyncConnection, job_id: int, now: datetime) -> set[uuid.UUID]:
    """Do for one job, whose row the caller holds, what the next tick would do; returns what was opened.

    Before an edit or a pause: what fell due until now is settled as the job was.
    """
    return await settle_jobs(tx, [job_id], now)


async def settle_jobs(tx: AsyncConnection, job_ids: Sequence[int], now: datetime) -> set[uuid.UUID]:
    """The same for several jobs at once."""
    ids = (await tx.execute(_DUE, {"job_ids": list(job_ids), "now": now})).scalars().all()
    due = list((await jobs.due_settings_of(tx, ids)).values()) if ids else []
    if not due:
        return set()
    around = await surroundings(tx, due, guard_until=await _guard_until(tx))
    whole = plan(
        due, now, zones=around.zones, guard_until=around.guard_until, windows=around.windows, covering=around.covering
    )
    return await carry_out(tx, whole, now)


async def _guard_until(tx: AsyncConnection) -> datetime | None:
    """What a tick would heed, without feeling the pulse: nobody but a scheduler may count as one that looked."""
    up = (await tx.execute(_GUARD)).one_or_none()
    if up is None:
        return None
    until: datetime = up.to_at
    return until + JUMP_PAUSE if up.kind == "clock_jump" else until


async def catch_up_pause(
    tx: AsyncConnection, job_id: int, since: datetime, catch_up: CatchUp, now: datetime
) -> set[uuid.UUID]:
    """Run after all what a job named between `since`, its mark when it was paused, and now; returns what was opened.

    At most the seven days before now count, and the newest or the oldest hundred as `catch_up` says. The rest was not missed:
    nothing is, while a job is paused.
    """
    job = await jobs.due_settings(tx, job_id)
    if job.schedule is None:
        return set()
    return await carry_out(tx, make_up(job, since, catch_up, now, await surroundings(tx, [job])), now)

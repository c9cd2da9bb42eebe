"""Carrying out what the planner says, for a tick, for one job before it is edited, and for a pause that is made up for."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs, windows
from watchbill.core.occurrence import CatchUp
from watchbill.core.schedule import tzdata_version
from watchbill.jobs import DueJob
from watchbill.runs.not_run import record_held, record_missed, record_skipped
from watchbill.runs.opening import open_occurrences
from watchbill.runs.outages import JUMP_PAUSE
from watchbill.runs.planning import Around, Plan, make_up, plan

_IS_DUE = text("SELECT enabled AND deleted_at IS NULL AND next_due_at <= :now FROM jobs WHERE id = :job_id")
_GUARD = text("SELECT kind, to_at FROM outages WHERE guard = 'up'")


async def carry_out(tx: AsyncConnection, whole: Plan, now: datetime) -> set[uuid.UUID]:
    """Write all of a plan; returns the occurrences that were opened. The caller holds the rows of the jobs."""
    await record_missed(tx, whole.missed, now)
    await record_skipped(tx, whole.skipped, now)
    await record_held(tx, whole.held, now)
    opened = await open_occurrences(tx, whole.openings, now)
    await jobs.advance(tx, whole.advances, tzdata_version(), now)
    return opened


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
    if not (await tx.execute(_IS_DUE, {"job_id": job_id, "now": now})).scalar_one_or_none():
        return set()
    due = [await jobs.due_settings(tx, job_id)]
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

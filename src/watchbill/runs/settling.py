"""Carrying out what the planner says, for a tick, for one job before it is edited, and for a pause that is made up for."""

import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs, windows
from watchbill.core.occurrence import CatchUp, MissedReason, missed_between
from watchbill.core.problems import Problem
from watchbill.core.schedule import tzdata_version
from watchbill.core.states import OccurrenceReason
from watchbill.jobs import DueJob
from watchbill.kit.budget import EVALUATION_SECONDS, Budget, Fault
from watchbill.kit.errors import InvalidError
from watchbill.runs.membership import surprising
from watchbill.runs.not_run import Held, Missed, record_held, record_missed, record_skipped
from watchbill.runs.opening import open_occurrences
from watchbill.runs.outages import guard_settings, heed
from watchbill.runs.planning import Around, Plan, broken, make_up, missed, plan_around, readable
from watchbill.runs.to_open import Opening

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


async def carry_out(tx: AsyncConnection, whole: Plan, now: datetime) -> set[uuid.UUID]:
    """Write all of a plan; returns the occurrences that were opened. The caller holds the rows of the jobs."""
    await record_missed(tx, await _without_known(tx, whole.missed), now)
    await record_skipped(tx, whole.skipped, now)
    surprises = await surprising(tx, whole.openings, now)
    held = [_to_look_at(one, surprises[one.id]) for one in whole.openings if one.id in surprises]
    await record_held(tx, [*whole.held, *held], now)
    opened = await open_occurrences(tx, [one for one in whole.openings if one.id not in surprises], now)
    ran = {one.job_id for one in whole.openings if one.id in opened}
    await jobs.advance(tx, whole.advances, tzdata_version(), now, ran=ran)
    await jobs.note_runs(tx, ran - {one.job_id for one in whole.advances}, now)
    return opened


def _to_look_at(one: Opening, why: str) -> Held:
    reason = OccurrenceReason.TARGETS_CHANGED
    return Held(one.id, one.job_id, one.job_revision, one.scheduled_for, reason, why, None, one.local_time)


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


async def surroundings(
    tx: AsyncConnection, due: Sequence[DueJob], now: datetime, *, guard_until: datetime | None = None
) -> Around:
    """What besides the due jobs decides about their instants, read in as few statements as they need."""
    if not due:
        return Around(guard_until=guard_until)
    closed = await windows.load(tx)
    following = {job.id for job in due if job.schedule is not None and job.schedule.is_following}
    return Around(
        zones=await jobs.zones_in_use(tx) if following else (),
        guard_until=guard_until,
        windows=closed,
        covering={} if closed.is_empty else await windows.covering_jobs(tx, [job.id for job in due]),
        own_zones=await jobs.zones_of_targets(tx, following if guard_until is not None else (), now),
    )


def planned(budget: Budget, job: DueJob, now: datetime, around: Around) -> Plan:
    """The plan of one job; if it cannot be made, or takes too long, it is that the job ends in `error`."""
    found = budget.attempt(plan_around, [job], now, around)
    return Plan(advances=[broken(job, found.why)]) if isinstance(found, Fault) else found


async def settle_job(tx: AsyncConnection, job_id: int, now: datetime) -> set[uuid.UUID]:
    """Do for one job, whose row the caller holds, what the next tick would do; returns what was opened.

    Before an edit or a pause: what fell due until now is settled as the job was. While ticks wait to see whether a jump of the
    clock is taken back, it cannot wait with them: what would start then is held.
    """
    return await settle_jobs(tx, [job_id], now)


async def settle_jobs(tx: AsyncConnection, job_ids: Sequence[int], now: datetime) -> set[uuid.UUID]:
    """The same for several jobs at once."""
    ids = (await tx.execute(_DUE, {"job_ids": list(job_ids), "now": now})).scalars().all()
    due = list((await jobs.due_settings_of(tx, ids)).values()) if ids else []
    if not due:
        return set()
    until, is_in_doubt = await _heeded(tx, now)
    around = replace(await surroundings(tx, due, now, guard_until=until), is_in_doubt=is_in_doubt)
    whole = Plan()
    with Budget(EVALUATION_SECONDS) as budget:
        for job in due:
            whole.join(planned(budget, job, now, around))
    return await carry_out(tx, whole, now)


async def _heeded(tx: AsyncConnection, now: datetime) -> tuple[datetime | None, bool]:
    """What a tick would heed: up to when late instants are held, and whether the clock has just jumped.

    Without feeling the pulse: nobody but a scheduler may count as one that looked. An absence that no tick has judged yet may be
    one that the guard goes up for.
    """
    guard = await heed(tx, now)
    is_held = guard.is_unnoticed and (await guard_settings(tx)).enabled
    return now if is_held else guard.until, guard.paused_until is not None


async def catch_up_pause(
    tx: AsyncConnection, job_id: int, since: datetime, catch_up: CatchUp, now: datetime
) -> set[uuid.UUID]:
    """Run after all what a job named between `since`, its mark when it was paused, and now; returns what was opened.

    At most the seven days before now count, and the newest or the oldest hundred as `catch_up` says. The rest was not missed:
    nothing is, while a job is paused. A person asks for it, so no guard holds it.
    """
    job = await jobs.due_settings(tx, job_id)
    if job.schedule is None:
        return set()
    around = await surroundings(tx, [job], now)
    with Budget(EVALUATION_SECONDS) as budget:
        found = budget.attempt(make_up, job, since, catch_up, now, around)
    if isinstance(found, Fault):
        what = f"cannot be `{catch_up}`, only `skip`: what the pause has passed over cannot be found. {found.why}"
        raise InvalidError.of([Problem("catch_up", "too_slow", what)], what="The request")
    return await carry_out(tx, found, now)

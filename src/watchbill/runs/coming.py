"""Coming occurrences as rows of the ledger: read from a feed of jobs as far as a page needs, with their marks. Writes nothing."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import BigInteger, DateTime, Row, Select, literal, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs, windows
from watchbill.core import schedule as calendar
from watchbill.core.leading import local_time
from watchbill.core.occurrence import public_id
from watchbill.core.problems import Problem
from watchbill.identity.actor import SiteScope
from watchbill.jobs import DueJob
from watchbill.jobs.definition import duration_of_text, policies_of_text, read_schedule_text
from watchbill.jobs.tables import jobs as jobs_table
from watchbill.kit.errors import InvalidError
from watchbill.runs.forecast import Coming, Forecast, Place
from watchbill.runs.not_run import Held, Skipped
from watchbill.runs.partly import ClosedFor, Counting, Start
from watchbill.runs.planning import Around, blocked_by_window, opening
from watchbill.runs.sentences import coming
from watchbill.runs.to_open import Opening

#: A page whose place lies behind the next instant of more jobs than this is refused: each of them would have to be computed.
MOST_JOBS: Final = 20_000
_LEAST_CHUNK: Final = 50
_LARGEST_CHUNK: Final = 1_000
_TICK: Final = timedelta(microseconds=1)

_THERE = text("SELECT id FROM occurrences WHERE id = ANY(:ids)")


async def coming_rows(
    tx: AsyncConnection, scope: SiteScope, feed: Select[Any], until: datetime, after: Place, number: int, now: datetime
) -> tuple[list[dict[str, Any]], Place | None]:
    """Up to `number` rows after a place, as values of a LedgerRow, and the place to go on from, None at the end.

    `feed` is a query of live jobs, which are read in the order in which they fall due. What exists already is not planned any more.
    Of devices outside `scope` nothing is counted.
    """
    forecast = Forecast(number + 1, after, until, await jobs.zones_in_use(tx))
    names: dict[int, tuple[str, str | None]] = {}
    reached: tuple[datetime, int] | None = None
    while rows := await _chunk(tx, feed, reached, min(max(number, _LEAST_CHUNK) + forecast.looked_at, _LARGEST_CHUNK)):
        if forecast.looked_at + len(rows) > MOST_JOBS:
            raise _too_deep()
        names |= {row.id: (row.name, row.timezone) for row in rows}
        # Calendars are computed beside the event loop, which has other readers to serve.
        if not await asyncio.to_thread(_take, forecast, rows):
            break
        kept = {one.job_id for one in forecast.found}
        names = {job_id: name for job_id, name in names.items() if job_id in kept}
        reached = (rows[-1].next_due_at, rows[-1].id)
    page, is_more = forecast.found[:number], len(forecast.found) > number
    following = (page[-1].place if page else after) if is_more else None
    return await _rows(tx, scope, page, names, forecast.zones, now), following


def _take(forecast: Forecast, rows: Sequence[Row[Any]]) -> bool:
    return forecast.take(map(due_job, rows))


async def _chunk(
    tx: AsyncConnection, feed: Select[Any], reached: tuple[datetime, int] | None, number: int
) -> Sequence[Row[Any]]:
    """The next jobs of the feed, by a row comparison that an index answers."""
    job = jobs_table.c
    if reached is not None:
        place = tuple_(literal(reached[0], DateTime(timezone=True)), literal(reached[1], BigInteger))
        feed = feed.where(tuple_(job.next_due_at, job.id) > place)
    rows: Sequence[Row[Any]] = (await tx.execute(feed.order_by(job.next_due_at, job.id).limit(number))).all()
    return rows


def _too_deep() -> InvalidError:
    message = f"would need the calendars of more than {MOST_JOBS:,} jobs: ask for less by job_id, site_id, q or an earlier `from`"
    return InvalidError("This page lies too far ahead.", problems=[Problem("from", "too_many_jobs", message)])


def due_job(row: Row[Any]) -> DueJob:
    schedule, error = read_schedule_text(row.schedule)
    policies, duration = policies_of_text(row.policies), duration_of_text(row.duration)
    return DueJob(
        id=row.id,
        revision=row.revision,
        schedule=schedule,
        error=error,
        mark_at=row.mark_at,
        next_due_at=row.next_due_at,
        policies=policies,
        time_limit_seconds=duration["time_limit_seconds"],
        expires_after_seconds=duration["expires_after_seconds"],
        run_limit_seconds=duration["run_limit_seconds"],
        zone_source=row.zone_source,
        allowed_site_ids=row.allowed_site_ids,
        reach_site_ids=row.allowed_site_ids,
        failure_threshold_percent=policies.failure_threshold_percent,
        tzdata_version=row.tzdata_version,
    )


async def _rows(
    tx: AsyncConnection,
    scope: SiteScope,
    page: Sequence[Coming],
    names: dict[int, tuple[str, str | None]],
    zones: frozenset[str],
    now: datetime,
) -> list[dict[str, Any]]:
    ids = [public_id(one.job_id, "schedule", one.nominal, "") for one in page]
    there = set((await tx.execute(_THERE, {"ids": ids})).scalars()) if ids else set()
    new = [one for one, public in zip(page, ids, strict=True) if public not in there]
    job_ids = {one.job_id for one in new}
    closed = await windows.load(tx)
    covering = {} if closed.is_empty else await windows.covering_jobs(tx, job_ids)
    targets = {} if closed.is_empty else await windows.covering_targets(tx, scope, job_ids, now)
    around, counting = Around(zones=zones, windows=closed, covering=covering), Counting(closed, targets)
    # Windows are computed beside the event loop too.
    return await asyncio.to_thread(lambda: [_row(one, *names[one.job_id], around, counting) for one in new])


def _row(one: Coming, name: str, timezone: str | None, around: Around, counting: Counting) -> dict[str, Any]:
    job = one.job
    planned = opening(job, "schedule", one.nominal, now=one.due_at, zones=around.zones)
    blocked = blocked_by_window(job, planned, one.due_at, around)
    is_following = job.schedule is not None and job.schedule.is_following
    wall = local_time(one.nominal) if is_following else None
    closed = (blocked.detail or "a window is closed then") if blocked is not None else None
    partly, is_counted = _partly(one, planned, counting)
    some = partly.words if partly is not None and blocked is None else None
    return {
        "id": planned.id,
        "job_id": job.id,
        "job_name": name,
        "kind": "schedule",
        "scheduled_for_at": one.nominal,
        "due_at": one.due_at,
        "local_time": wall,
        "timezone": timezone,
        "state": "planned",
        "reason": None,
        "detail": closed,
        "outcome": None,
        "is_late": False,
        "range_end_at": None,
        "range_count": 1,
        "is_range_capped": False,
        "held_until_at": blocked.held_until_at if isinstance(blocked, Held) else None,
        "job_revision": job.revision,
        "origin_occurrence_id": None,
        "started_by": None,
        "cancel_requested_at": None,
        "created_at": None,
        "opened_at": None,
        "closed_at": None,
        "flags": [*_flags(one, blocked, is_following=is_following), *([] if is_counted else ["not_counted"])],
        "closed_for": partly,
        "sentence": coming(one.due_at, timezone, wall, closed, is_deferred=isinstance(blocked, Held), some=some),
    }


def _partly(one: Coming, planned: Opening, counting: Counting) -> tuple[ClosedFor | None, bool]:
    """For whom it is closed, and whether there was time to find out."""
    waits = planned.expires_at - planned.scheduled_for
    try:
        return counting.closed_for(one.job_id, Start(one.job.schedule, one.nominal, waits)), True
    except TimeoutError:
        return None, False


def _flags(one: Coming, blocked: Held | Skipped | None, *, is_following: bool) -> list[str]:
    """Those of the calendar, and as in a preview: closed for the whole job, and beside it that it waits for the window to open."""
    flags: list[str] = []
    if one.job.schedule is not None and not is_following:
        flags += _calendar_flags(one.job.schedule, one.nominal)
    if blocked is not None:
        flags += ["in_blackout", "held"] if isinstance(blocked, Held) else ["in_blackout"]
    return flags


@lru_cache(maxsize=20_000)
def _calendar_flags(schedule: calendar.Schedule, nominal: datetime) -> tuple[str, ...]:
    """At each look they are the same."""
    return tuple(flag for shown in calendar.upcoming(schedule, nominal - _TICK, 1) for flag in shown.flags)

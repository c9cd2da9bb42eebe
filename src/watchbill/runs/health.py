"""Is a job healthy? What waits, what was missed, whether it keeps to its schedule, why it will not fire. Only reads.

Everything is asked for a whole page of jobs at once, so a page costs the same few statements whatever its length.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from sqlalchemy import Boolean, ColumnElement, and_, exists, func, literal, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.states import OccurrenceReason, OccurrenceState
from watchbill.identity.actor import EVERY_SITE, SiteScope
from watchbill.jobs import SavedJob, outlook_of
from watchbill.jobs.tables import jobs
from watchbill.runs.job_rows import REACHES, JobHistory, JobRow, job_rows
from watchbill.runs.preview import Preview, preview
from watchbill.runs.standing import Standing, WillNotFire, closed_on_each, drift_of, none_eligible, will_not_fire
from watchbill.runs.tables import occurrence_counts, occurrences
from watchbill.windows import WindowSet, covering_jobs, load

Health = Literal["failing", "missed", "waiting", "will_not_fire"]

#: How far back missed instants are counted.
MISSED_SPAN: Final = timedelta(days=7)
_WAITING: Final = ("pending", "waiting_online")
#: Why devices are left out now, and need not be when the job falls due.
_PASSING: Final = frozenset({"previous_run_active", "no_user_session"})
_NOTHING_LEFT: ColumnElement[bool] = literal_column(f"NOT {REACHES.format(job='jobs')}", Boolean)


@dataclass(frozen=True, slots=True)
class JobHealth:
    """`waiting`: target rows in the reader's sites that have not begun. `missed`: instants of the last `MISSED_SPAN`."""

    waiting: int
    missed: int
    drift: str | None
    will_not_fire: WillNotFire | None


async def health_of(
    tx: AsyncConnection, scope: SiteScope, some: Sequence[SavedJob], now: datetime
) -> tuple[dict[int, JobHistory], dict[int, JobHealth]]:
    """The past and the health of each job, as one reader may know them."""
    rows = await job_rows(tx, scope, [job.id for job in some], now - MISSED_SPAN)
    drifts = drift_of(some, {job_id: row.started for job_id, row in rows.items()})
    reasons = await _reasons(tx, some, rows)
    health = {
        job_id: JobHealth(row.waiting, row.missed, drifts.get(job_id), reasons.get(job_id))
        for job_id, row in rows.items()
    }
    return {job_id: row.history for job_id, row in rows.items()}, health


async def look_closer(
    tx: AsyncConnection, scope: SiteScope, job: SavedJob, known: JobHealth, now: datetime
) -> JobHealth:
    """What a list cannot afford to ask of every job: whether each of its devices would be left out, or is closed by itself."""
    if known.will_not_fire is not None or job.next_due_at is None:
        return known
    outlook = await outlook_of(tx, job, now=now)
    # Whether it fires is no matter of who asks: all sites count, and no number of theirs is told.
    shown = await preview(tx, EVERY_SITE, replace(outlook, instants=outlook.instants[:1]), now, is_compared=False)
    return replace(known, will_not_fire=_on_every_device(shown, is_named=scope.site_ids is None))


def _on_every_device(shown: Preview, *, is_named: bool) -> WillNotFire | None:
    """`is_named`: the reader sees every window that may stand here."""
    number = shown.targets.online + shown.targets.offline
    if not number:
        # Whoever still runs an earlier occurrence has done so long before the next due time, and somebody may sign in until then.
        passes = not _PASSING.isdisjoint(shown.targets.left_out)
        return none_eligible(shown.targets.left_out) if shown.targets.left_out and not passes else None
    blocked = [window for coming in shown.instants for window in coming.blocked]
    is_closed = any(window.devices >= number for window in blocked)
    return closed_on_each({window.window for window in blocked} if is_named else ()) if is_closed else None


async def _reasons(
    tx: AsyncConnection, some: Sequence[SavedJob], rows: Mapping[int, JobRow]
) -> Mapping[int, WillNotFire]:
    """All of the jobs' devices count, whoever asks: whether it will fire is no matter of the reader."""
    closed, covering = await _windows(tx, [job.id for job in some if job.next_due_at is not None])
    found = {
        job.id: will_not_fire(
            job, Standing(rows[job.id].guarded, rows[job.id].reaches, closed, covering.get(job.id, ()))
        )
        for job in some
    }
    return {job_id: reason for job_id, reason in found.items() if reason is not None}


async def _windows(tx: AsyncConnection, job_ids: Collection[int]) -> tuple[WindowSet, Mapping[int, frozenset[int]]]:
    """The windows that decide for all devices of a job alike. Those of some devices are left to a closer look."""
    if not job_ids:
        return WindowSet(), {}
    known = await load(tx)
    return known, {} if known.is_empty else await covering_jobs(tx, job_ids)


# --- as a filter of the list -------------------------------------------------------------------------------------------


def with_health(scope: SiteScope, health: Health | None, now: datetime) -> list[ColumnElement[bool]]:
    """The condition on jobs by which a list shows those only."""
    match health:
        case None:
            return []
        case "failing":
            return [_last_outcome() == "failed"]
        case "missed":
            return [_has_missed(now - MISSED_SPAN)]
        case "waiting":
            return [_has_waiting(scope)]
        case "will_not_fire":
            return [or_(jobs.c.state != "active", _is_guarded(), _NOTHING_LEFT)]


def _last_outcome() -> ColumnElement[str | None]:
    """The outcome of the newest occurrence that ran to its end; one that somebody stopped says nothing of the job."""
    table = occurrences.c
    newest = (
        select(table.outcome)
        .where(table.job_id == jobs.c.id, table.outcome.in_(("success", "warning", "failed")))
        .order_by(table.scheduled_for_at.desc(), table.created_at.desc(), table.id.desc())
        .limit(1)
    )
    return newest.scalar_subquery()


def _has_missed(since: datetime) -> ColumnElement[bool]:
    table = occurrences.c
    last = func.coalesce(table.range_end_at, table.scheduled_for_at)
    return exists().where(
        table.job_id == jobs.c.id, table.state == literal(OccurrenceState.MISSED.value), last >= since
    )


def _has_waiting(scope: SiteScope) -> ColumnElement[bool]:
    table, counts = occurrences.c, occurrence_counts.c
    waits = and_(counts.occurrence_id == table.id, counts.state.in_(_WAITING), counts.number > 0)
    found = (
        select(table.job_id)
        .join(occurrence_counts, and_(waits, scope.clause(counts.site_id)))
        .where(table.state == literal(OccurrenceState.OPEN.value))
    )
    return jobs.c.id.in_(found)


def _is_guarded() -> ColumnElement[bool]:
    table = occurrences.c
    held, reason = OccurrenceState.HELD.value, OccurrenceReason.STORM_GUARD.value
    return jobs.c.id.in_(select(table.job_id).where(table.state == literal(held), table.reason == literal(reason)))

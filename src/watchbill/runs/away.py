"""What fell due while the Engine was away: for each job what was missed, held and made up for, and a person's decision about it.

Also the trickle, which lets go of what the storm guard holds at a steady pace. Notices no outage: that is `runs.outages`.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate
from math import ceil
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import BigInteger, Row, Select, any_, case, func, literal, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.core.following import LAST_WAVE
from watchbill.core.job_rules_values import ExecutionContext
from watchbill.core.problems import Problem
from watchbill.identity import Actor, Permission, audit
from watchbill.jobs.aiming import MEMBERS
from watchbill.jobs.tables import job_reach
from watchbill.jobs.tables import jobs as jobs_table
from watchbill.kit.errors import ConflictError, ForbiddenError, InvalidError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.runs.held import release_held, skip_held
from watchbill.runs.history import Occurrence, get_occurrence
from watchbill.runs.outages import JUMP_PAUSE, Outage, settle_guard
from watchbill.runs.tables import occurrences

Action = Literal["release", "skip", "latest"]
Proposal = Literal["run_latest", "run_all", "skip", "decide", "none"]

#: What one request decides at most; the rest is told, and asked for again.
MOST_AT_ONCE: Final = 1_000
#: And how many targets one transaction freezes, unless a single occurrence has more.
MOST_TARGETS: Final = 20_000
_SIZED_AT_ONCE: Final = 100
_JOBS_IN_AUDIT: Final = 100
#: What a window holds goes by itself when that opens: to let it go before overrides the window, which is done one at a time.
_DECIDED: Final = ("storm_guard", "misfire_hold")
_PROPOSALS: Final[dict[str, Proposal]] = {"latest": "run_latest", "all": "run_all", "skip": "skip", "hold": "decide"}
#: What each action needs: letting go is starting work, skipping is not. The right to run as SYSTEM only where a job does.
NEEDED: Final[dict[Action, Sequence[Permission]]] = {
    "release": jobs.NEEDED["rerun"],
    "latest": jobs.NEEDED["rerun"],
    "skip": (Permission.JOBS_RUN,),
}

_RUNNING = text("SELECT DISTINCT job_id FROM occurrences WHERE job_id = ANY(:jobs) AND state = 'open'")
_SINCE = text("""
SELECT w.job_id FROM unnest(CAST(:jobs AS bigint[]), CAST(:newest AS timestamptz[])) AS w(job_id, newest)
WHERE EXISTS (SELECT 1 FROM occurrences o WHERE o.job_id = w.job_id AND o.scheduled_for_at > w.newest AND o.state IN ('open', 'closed'))
""")
_UP = text("""
SELECT o.id, o.from_at, coalesce(o.released_at, o.noticed_at) AS last_at, p.guard_trickle_per_minute AS per_minute
FROM outages o, scheduler_pulse p WHERE o.guard = 'up'
""")
_UP_LOCKED = text("""
SELECT o.id, o.from_at, coalesce(o.released_at, o.noticed_at) AS last_at, p.guard_trickle_per_minute AS per_minute
FROM outages o, scheduler_pulse p WHERE o.guard = 'up' FOR UPDATE OF o SKIP LOCKED
""")
_OLDEST = text("""
SELECT id, job_id FROM occurrences WHERE state = 'held' AND reason = 'storm_guard' ORDER BY scheduled_for_at, id LIMIT :limit
""")
_SIZES = text(f"WITH {MEMBERS} SELECT job_id AS id, count(*) AS targets FROM member GROUP BY job_id")
# While the guard is up, `released_at` is when the trickle last let something go: the pace that all schedulers keep.
_PACED = text("UPDATE outages SET released_at = :now WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Totals:
    """Instants of an outage in the reader's sites. `decided`: held ones that were let go or skipped."""

    jobs: int
    missed: int
    held: int
    late: int
    decided: int


@dataclass(frozen=True, slots=True)
class JobAway:
    """What an outage did to one job, how things stand with it now, and what is proposed for what is held."""

    job_id: int
    name: str
    missed: int
    is_missed_capped: bool
    held: int
    late: int
    decided: int
    oldest_at: datetime
    newest_at: datetime
    catch_up: str
    proposed: Proposal
    state: str
    next_due_at: datetime | None
    is_running: bool
    has_run_since: bool


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision did; `left` more are held in the same outage for the same jobs, and `refused` jobs reach other sites too, or run as SYSTEM."""

    released: int
    skipped: int
    left: int
    refused: Sequence[int]


@dataclass(frozen=True, slots=True)
class Trickled:
    """What the trickle let go, and when it has more to do; None = when the guard goes up."""

    released: int = 0
    next_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    id: UUID
    job_id: int
    scheduled_for_at: datetime


def _of(outage: Outage) -> Any:
    """The rows that an outage left: instants of its span that were written once it was over, but for those that were in time."""
    table = occurrences.c
    # A following job's instant is the name of a wall clock, up to a day before the clocks of its targets show it.
    since = case((table.local_time.is_(None), literal(outage.from_at)), else_=literal(outage.from_at - LAST_WAVE))
    written = (
        (table.kind == "schedule")
        & (table.scheduled_for_at > outage.from_at - LAST_WAVE)
        & (table.scheduled_for_at > since)
        & (table.scheduled_for_at <= outage.to_at + JUMP_PAUSE)
        & (table.created_at >= outage.noticed_at)
        & or_(table.state == "missed", (table.state == "held") & table.reason.in_(_DECIDED), table.is_late)
    )
    if outage.guard != "up":
        return written
    # There is one guard: it also has what windows held before the outage, and what the guard before it did not come to.
    return written | ((table.state == "held") & (table.reason == "storm_guard"))


def _sums() -> dict[str, Any]:
    table = occurrences.c
    is_missed, is_held = table.state == "missed", table.state == "held"
    was_held = table.created_at < func.coalesce(table.opened_at, table.closed_at)
    return {
        "missed": func.coalesce(func.sum(table.range_count).filter(is_missed), 0),
        "held": func.count().filter(is_held),
        "late": func.count().filter(~is_missed & ~is_held & ~was_held),
        "decided": func.count().filter(~is_missed & ~is_held & was_held),
    }


async def totals(tx: AsyncConnection, actor: Actor, outage: Outage) -> Totals:
    table = occurrences.c
    query = select(
        func.count(table.job_id.distinct()).label("jobs"), *[value.label(name) for name, value in _sums().items()]
    ).where(_of(outage), table.job_id.in_(jobs.visible_ids(actor.scope)))
    return Totals(*(await tx.execute(query)).one())


async def list_jobs(
    tx: AsyncConnection, actor: Actor, outage: Outage, *, limit: int, cursor: str | None
) -> Page[JobAway]:
    """The jobs that an outage touched, those with something to decide first."""
    actor.require(Permission.READ)
    query = _by_job(actor, outage)
    if cursor is not None:
        query = query.where(tuple_(*_order(query)) > tuple_(*_place(cursor)))
    rows = (await tx.execute(query.order_by(*_order(query)).limit(limit + 1))).all()
    page = page_of(rows, limit, lambda row: (int(not row.held), row.job_id))
    return Page(await _with_present(tx, page.items), page.next_cursor)


def _by_job(actor: Actor, outage: Outage) -> Select[Any]:
    table = occurrences.c
    touched = (
        select(
            table.job_id,
            *[value.label(name) for name, value in _sums().items()],
            func.coalesce(func.bool_or(table.is_range_capped), literal(value=False)).label("is_missed_capped"),
            func.min(table.scheduled_for_at).label("oldest_at"),
            func.max(func.coalesce(table.range_end_at, table.scheduled_for_at)).label("newest_at"),
        )
        .where(_of(outage), table.job_id.in_(jobs.visible_ids(actor.scope)))
        .group_by(table.job_id)
        .subquery()
    )
    job = jobs_table.c
    return select(
        *touched.c,
        job.name,
        job.state,
        job.next_due_at,
        job.definition["policies"]["catch_up"].astext.label("catch_up"),
        case((touched.c.held > 0, 0), else_=1).label("place"),
    ).join_from(touched, jobs_table, job.id == touched.c.job_id)


def _order(query: Select[Any]) -> list[Any]:
    named = query.selected_columns
    return [named["place"], named["job_id"]]


def _place(cursor: str) -> list[Any]:
    place, job_id = decode_cursor(cursor, (int, int))
    if place not in (0, 1) or job_id is None or not 0 <= int(job_id) < 2**63:
        problem = Problem("cursor", "invalid", "must be a next_cursor of this list with the same sort")
        raise InvalidError("The cursor does not belong to this list.", problems=[problem])
    return [literal(place), literal(int(job_id), BigInteger)]


async def _with_present(tx: AsyncConnection, rows: Sequence[Row[Any]]) -> list[JobAway]:
    ids = [row.job_id for row in rows]
    if not ids:
        return []
    running = set((await tx.execute(_RUNNING, {"jobs": ids})).scalars())
    since = set((await tx.execute(_SINCE, {"jobs": ids, "newest": [row.newest_at for row in rows]})).scalars())
    return [_job_away(row, is_running=row.job_id in running, has_run_since=row.job_id in since) for row in rows]


def _job_away(row: Row[Any], *, is_running: bool, has_run_since: bool) -> JobAway:
    names = [name for name in JobAway.__slots__ if name not in {"proposed", "is_running", "has_run_since"}]
    return JobAway(
        **{name: getattr(row, name) for name in names},
        proposed=_proposal(row, has_run_since=has_run_since),
        is_running=is_running,
        has_run_since=has_run_since,
    )


def _proposal(row: Row[Any], *, has_run_since: bool) -> Proposal:
    """As the job's policy says, but one make-up run is of no use to a job that has run since."""
    if not row.held:
        return "none"
    if row.catch_up == "latest" and has_run_since:
        return "skip"
    return _PROPOSALS.get(row.catch_up, "decide")


async def decide(
    tx: AsyncConnection,
    actor: Actor,
    outage: Outage,
    action: Action,
    *,
    job_ids: Sequence[int] | None,
    reason: str | None,
    now: datetime,
) -> Decided:
    """Let go or skip what an outage left held, of these jobs or (None) of all that the caller sees; the oldest first.

    `latest`: the newest of each job is let go, its others are skipped. What the caller may not do to a job is refused where it
    is named, and else told of it.
    """
    actor.require(*(one for one in NEEDED[action] if one is not Permission.RUN_AS_SYSTEM))
    if job_ids is not None:
        await _require_jobs(tx, actor, job_ids, action)
    held, refused = await _held(tx, actor, outage, action, job_ids)
    chosen = await _within_bounds(tx, held, action, now)
    keep = _newest(chosen) if action == "latest" else {row.id for row in chosen if action == "release"}
    # Letting go locks jobs before occurrences, and so does whoever else lets go: skipping comes after it.
    released = await release_held(tx, [row.id for row in chosen if row.id in keep], now, actor=actor, reason=reason)
    given_up = [row.id for row in chosen if row.id not in keep]
    skipped = await skip_held(tx, given_up, now, by=actor.operator_id, detail=reason)
    done = Decided(len(released), len(skipped), len(held) - len(chosen), refused)
    await _audit(tx, actor, outage, action, chosen, done, reason, now)
    await settle_guard(tx, now, actor.operator_id)
    return done


async def decide_one(
    tx: AsyncConnection,
    actor: Actor,
    job_id: int,
    occurrence_id: UUID,
    action: Literal["release", "skip"],
    *,
    reason: str | None,
    now: datetime,
) -> Occurrence:
    """Let one held occurrence go, or skip it; returns it as it is then. The caller may do that to all of the job, and holds it."""
    before = await get_occurrence(tx, actor.scope, job_id, occurrence_id)
    done: set[UUID] = set()
    if before.state == "held" and action == "release":
        done = await release_held(tx, [occurrence_id], now, actor=actor, reason=reason)
    elif before.state == "held":
        done = await skip_held(tx, [occurrence_id], now, by=actor.operator_id, detail=reason)
    after = await get_occurrence(tx, actor.scope, job_id, occurrence_id)
    if not done and after.state in {"held", before.state}:
        raise ConflictError(f"This occurrence is not held: it is {after.state}.", code="occurrence_not_held")
    detail = {"job_id": job_id, "reason": reason, "ignores_windows": after.ignores_windows}
    await audit.record(tx, actor, f"occurrence.{action}", "occurrence", occurrence_id, now=now, detail=detail)
    await settle_guard(tx, now, actor.operator_id)
    return after


async def _require_jobs(tx: AsyncConnection, actor: Actor, job_ids: Sequence[int], action: Action) -> None:
    wanted = jobs.visible_ids(actor.scope).where(jobs_table.c.id == any_(literal(list(job_ids), ARRAY(BigInteger))))
    there = {row.id for row in await tx.execute(wanted)}
    problems = [
        Problem(f"jobs.{place}", "job_not_found", f"there is no job {job_id}")
        for place, job_id in enumerate(job_ids)
        if job_id not in there
    ]
    if problems:
        raise InvalidError.of(problems, what="The request")
    if await _spanning(tx, actor, job_ids):
        raise ForbiddenError("A job has devices in sites that you do not see.", code="job_spans_other_sites")
    if await _beyond_rights(tx, actor, job_ids, action):
        actor.require(Permission.RUN_AS_SYSTEM)


async def _held(
    tx: AsyncConnection, actor: Actor, outage: Outage, action: Action, job_ids: Sequence[int] | None
) -> tuple[list[_Held], list[int]]:
    """The held rows that the caller may decide, oldest first, and the jobs of others that they see and may not."""
    table = occurrences.c
    query = select(table.id, table.job_id, table.scheduled_for_at).where(
        _of(outage), table.state == "held", table.job_id.in_(jobs.visible_ids(actor.scope))
    )
    if job_ids is not None:
        query = query.where(table.job_id == any_(literal(list(job_ids), ARRAY(BigInteger))))
    rows = (await tx.execute(query.order_by(table.scheduled_for_at, table.id))).all()
    concerned = sorted({row.job_id for row in rows})
    refused = await _spanning(tx, actor, concerned) | await _beyond_rights(tx, actor, concerned, action)
    return [_Held(*row) for row in rows if row.job_id not in refused], sorted(refused)


async def _spanning(tx: AsyncConnection, actor: Actor, job_ids: Sequence[int]) -> set[int]:
    """Of these jobs those that reach sites which the caller does not see."""
    if actor.scope.site_ids is None:
        return set()
    table = job_reach.c
    wanted = table.job_id == any_(literal(list(job_ids), ARRAY(BigInteger)))
    query = select(table.job_id).distinct().where(wanted, ~actor.scope.clause(table.site_id))
    return set((await tx.execute(query)).scalars())


async def _beyond_rights(tx: AsyncConnection, actor: Actor, job_ids: Sequence[int], action: Action) -> set[int]:
    """Of these jobs those that run as SYSTEM, or no less, where the action starts them and the caller may not run as that."""
    if actor.may(Permission.RUN_AS_SYSTEM) or Permission.RUN_AS_SYSTEM not in NEEDED[action]:
        return set()
    table = jobs_table.c
    is_system = table.definition["execution_context"].astext != ExecutionContext.CURRENT_USER.value
    query = select(table.id).where(table.id == any_(literal(list(job_ids), ARRAY(BigInteger))), is_system)
    return set((await tx.execute(query)).scalars())


async def _within_bounds(tx: AsyncConnection, held: Sequence[_Held], action: Action, now: datetime) -> list[_Held]:
    """As many as one request decides, oldest first: all of a job or nothing of it, but for one that is too much by itself.

    Of such a job the oldest are let go; what is released together gives way to each other, so jobs are kept whole where they can be.
    """
    by_job: dict[int, list[_Held]] = defaultdict(list)
    for row in held:
        by_job[row.job_id].append(row)
    chosen: list[_Held] = []
    targets = 0
    async for job_id, size in _sized(tx, list(by_job), action, now):
        rows = by_job[job_id]
        opened = size * (len(rows) if action == "release" else 1)
        if chosen and (len(chosen) + len(rows) > MOST_AT_ONCE or targets + opened > MOST_TARGETS):
            break
        chosen += rows if action == "latest" else rows[: _most(size)]
        targets += opened
    return sorted(chosen, key=lambda row: (row.scheduled_for_at, row.id))


async def _sized(
    tx: AsyncConnection, job_ids: Sequence[int], action: Action, now: datetime
) -> AsyncIterator[tuple[int, int]]:
    """The jobs with the number of targets that each of their occurrences opens, at most `MOST_TARGETS`; nothing is opened by `skip`."""
    for place in range(0, len(job_ids), _SIZED_AT_ONCE):
        some = job_ids[place : place + _SIZED_AT_ONCE]
        sizes = await _sizes(tx, some, now) if action != "skip" else {}
        for job_id in some:
            yield job_id, sizes.get(job_id, 0)


async def _sizes(tx: AsyncConnection, job_ids: Sequence[int], now: datetime) -> dict[int, int]:
    found = {row.id: row.targets for row in await tx.execute(_SIZES, {"job_ids": list(job_ids), "now": now})}
    return {job_id: found.get(job_id, 0) for job_id in job_ids}


def _most(size: int) -> int:
    """How many occurrences of so many targets go in one transaction: at least one."""
    return max(min(MOST_AT_ONCE, MOST_TARGETS // size), 1) if size else MOST_AT_ONCE


def _newest(chosen: Sequence[_Held]) -> set[UUID]:
    return set({row.job_id: row.id for row in chosen}.values())  # ascending: the last one of each job stays


async def _audit(
    tx: AsyncConnection,
    actor: Actor,
    outage: Outage,
    action: Action,
    chosen: Sequence[_Held],
    done: Decided,
    reason: str | None,
    now: datetime,
) -> None:
    concerned = sorted({row.job_id for row in chosen})
    detail = {
        "action": action,
        "released": done.released,
        "skipped": done.skipped,
        "reason": reason,
        "jobs": concerned[:_JOBS_IN_AUDIT],
        "jobs_total": len(concerned),
    }
    await audit.record(tx, actor, "outage.decide", "outage", outage.id, now=now, detail=detail)


async def trickle(tx: AsyncConnection, now: datetime) -> Trickled:
    """Let go what is next by the pace that is set: the oldest first, evenly, once whoever asks.

    The guard's row is held meanwhile, so that several schedulers keep one pace between them.
    """
    guard = (await tx.execute(_UP)).one_or_none()
    if guard is None or guard.per_minute is None:
        return Trickled()
    step = timedelta(minutes=1) / guard.per_minute
    if guard.last_at <= now < guard.last_at + step:
        return Trickled(next_at=guard.last_at + step)
    guard = (await tx.execute(_UP_LOCKED)).one_or_none()
    if guard is None:
        return Trickled(next_at=now + step)  # another scheduler is at it
    due = _due_by_now(guard.last_at, guard.per_minute, now)
    if not due:
        return Trickled(next_at=guard.last_at + step)
    oldest = await _oldest(tx, due, now)
    released = await release_held(tx, oldest, now)
    await tx.execute(_PACED, {"id": guard.id, "now": now})
    if not oldest:
        await settle_guard(tx, now)
    return Trickled(len(released), now + max(step, timedelta(seconds=1)))


async def _oldest(tx: AsyncConnection, limit: int, now: datetime) -> list[UUID]:
    """What goes next, no more than one transaction freezes the targets of: the rest goes a moment later."""
    rows = (await tx.execute(_OLDEST, {"limit": limit})).all()
    sizes = await _sizes(tx, sorted({row.job_id for row in rows}), now)
    totals = accumulate(sizes[row.job_id] for row in rows)
    return [
        row.id
        for place, (row, total) in enumerate(zip(rows, totals, strict=True))
        if not place or total <= MOST_TARGETS
    ]


def _due_by_now(last_at: datetime, per_minute: int, now: datetime) -> int:
    """How many are due by the pace. What a scheduler slept through is not made up for in a burst: a second's worth at most."""
    if now < last_at:
        return 1  # the clock went back
    return min(int((now - last_at) * per_minute / timedelta(minutes=1)), ceil(per_minute / 60))

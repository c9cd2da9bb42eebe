"""Reading: occurrences of jobs with their waves, counts and runs. Every query carries the reader's site scope."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Uuid,
    and_,
    any_,
    delete,
    func,
    literal,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity.actor import SiteScope
from watchbill.jobs.tables import jobs
from watchbill.kit.errors import ForbiddenError, NotFoundError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.runs.cursors import instant_of, uuid_of
from watchbill.runs.rollout_view import RolloutView, rollouts_of
from watchbill.runs.tables import (
    ledger_starts,
    occurrence_counts,
    occurrence_verdicts,
    occurrence_waves,
    occurrences,
    runs,
)

_RECENT = 10


@dataclass(frozen=True, slots=True)
class RunPlace:
    """What a run is part of."""

    job_id: int
    job_name: str
    occurrence_id: uuid.UUID


@dataclass(frozen=True, slots=True)
class WaveProgress:
    """The targets of one zone of an occurrence whose job follows zones, or of one wave of devices, and how many are in which state.

    A wave of devices has a `size`; its `starts_at` is when it began, None before.
    """

    wave: int
    timezone: str | None
    starts_at: datetime | None
    size: int | None
    ended_at: datetime | None
    promoted_by: int | None
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One row of the ledger, with the counts of the reader's sites. `waves`: only where they were asked for."""

    id: uuid.UUID
    job_id: int
    kind: str
    scheduled_for_at: datetime
    state: str
    reason: str | None
    outcome: str | None
    is_late: bool
    range_end_at: datetime | None
    range_count: int
    job_revision: int
    origin_occurrence_id: uuid.UUID | None
    started_by: int | None
    cancel_requested_at: datetime | None
    created_at: datetime
    opened_at: datetime | None
    closed_at: datetime | None
    #: A sentence about the reason.
    detail: str | None
    held_until_at: datetime | None
    #: The range has at least `range_count` instants.
    is_range_capped: bool
    #: The wall clock that it is for, where the job follows the zones of its targets.
    local_time: datetime | None
    #: Why a person started it, or let it run, although a window was closed.
    start_reason: str | None
    ignores_windows: bool
    counts: Mapping[str, int] = field(default_factory=dict)
    waves: Sequence[WaveProgress] = ()
    #: What the checks of its job found; told where the waves are.
    verdicts: Mapping[str, int] = field(default_factory=dict)
    rollout: RolloutView | None = None


@dataclass(frozen=True, slots=True)
class Run:
    id: int
    occurrence_id: uuid.UUID
    kind: str
    execution_context: str
    components: Sequence[Mapping[str, object]]
    time_limit_seconds: int
    created_at: datetime


#: The columns of an occurrence, in the order of its fields.
OCCURRENCE_NAMES = tuple(
    name for name in Occurrence.__slots__ if name not in {"counts", "waves", "verdicts", "rollout"}
)
_OCCURRENCE = tuple(occurrences.c[name] for name in OCCURRENCE_NAMES)
# Two manual starts may share an instant, which has whole seconds.
_COUNTS = text("""
SELECT occurrence_id, state, sum(number) FROM occurrence_counts
WHERE occurrence_id = ANY(CAST(:ids AS uuid[])) AND (CAST(:sites AS bigint[]) IS NULL OR site_id = ANY(:sites))
GROUP BY occurrence_id, state HAVING sum(number) > 0
""")
_OCCURRENCES = select(*_OCCURRENCE)
_NEWEST_FIRST = (occurrences.c.scheduled_for_at.desc(), occurrences.c.created_at.desc(), occurrences.c.id.desc())


def _occurrence(row: Row[*tuple[Any, ...]], counts: Mapping[uuid.UUID, Mapping[str, int]]) -> Occurrence:
    return Occurrence(**dict(zip(OCCURRENCE_NAMES, row, strict=True)), counts=counts.get(row.id, {}))


async def counts_of(
    tx: AsyncConnection, scope: SiteScope, occurrence_ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, dict[str, int]]:
    """Targets by state of each occurrence, summed over the reader's sites."""
    found: dict[uuid.UUID, dict[str, int]] = defaultdict(dict)
    if occurrence_ids:
        asked = {"ids": list(occurrence_ids), "sites": scope.as_list()}
        for occurrence_id, state, number in await tx.execute(_COUNTS, asked):
            found[occurrence_id][state] = number
    return found


async def with_waves(tx: AsyncConnection, scope: SiteScope, some: Sequence[Occurrence]) -> list[Occurrence]:
    """The same occurrences with the progress of their waves, of which only those with targets in the reader's sites; and their verdicts."""
    ids = [one.id for one in some]
    waves, verdicts = await _waves_of(tx, scope, ids), await _verdicts_of(tx, scope, ids)
    rollouts = await rollouts_of(tx, ids)
    return [
        replace(one, waves=waves.get(one.id, ()), verdicts=verdicts.get(one.id, {}), rollout=rollouts.get(one.id))
        for one in some
    ]


async def _verdicts_of(
    tx: AsyncConnection, scope: SiteScope, occurrence_ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, dict[str, int]]:
    """Targets of the reader's sites by what the checks of the job found on them."""
    table = occurrence_verdicts.c
    query = (
        select(table.occurrence_id, table.verdict, func.sum(table.number))
        .where(table.occurrence_id == any_(literal(list(occurrence_ids), ARRAY(Uuid))), scope.clause(table.site_id))
        .group_by(table.occurrence_id, table.verdict)
    )
    found: dict[uuid.UUID, dict[str, int]] = defaultdict(dict)
    for occurrence_id, verdict, number in await tx.execute(query):
        found[occurrence_id][verdict] = number
    return found


async def _waves_of(
    tx: AsyncConnection, scope: SiteScope, occurrence_ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, list[WaveProgress]]:
    table, counts = occurrence_waves.c, occurrence_counts.c
    about = (table.timezone, table.starts_at, table.size, table.ended_at, table.promoted_by)
    wave = (table.occurrence_id, table.wave, *about)
    query = (
        select(*wave, counts.state, func.sum(counts.number))
        .join(
            occurrence_counts,
            and_(counts.occurrence_id == table.occurrence_id, counts.wave == table.wave, scope.clause(counts.site_id)),
        )
        .where(table.occurrence_id == any_(literal(list(occurrence_ids), ARRAY(Uuid))), counts.number > 0)
        .group_by(*wave, counts.state)
        .order_by(table.occurrence_id, table.wave, counts.state)
    )
    found: dict[uuid.UUID, list[WaveProgress]] = defaultdict(list)
    for _, rows in groupby(await tx.execute(query), key=lambda row: (row.occurrence_id, row.wave)):
        some = list(rows)
        found[some[0].occurrence_id].append(_wave_progress(some))
    return found


def _wave_progress(rows: Sequence[Row[*tuple[Any, ...]]]) -> WaveProgress:
    """Of rows that differ in state and number only."""
    one = rows[0]
    counts = {row.state: row[-1] for row in rows}
    return WaveProgress(one.wave, one.timezone, one.starts_at, one.size, one.ended_at, one.promoted_by, counts)


async def require_whole(tx: AsyncConnection, scope: SiteScope, occurrence_id: uuid.UUID) -> None:
    """ForbiddenError when an occurrence has targets in sites that the caller does not see."""
    table = occurrence_counts.c
    foreign = select(table.site_id).where(table.occurrence_id == occurrence_id, ~scope.clause(table.site_id)).limit(1)
    if (await tx.execute(foreign)).first() is not None:
        detail = "This occurrence has devices of sites that you do not see."
        raise ForbiddenError(detail, code="job_spans_other_sites")


@dataclass(frozen=True, slots=True)
class Ledger:
    """Which occurrences of a job, which the reader may see, to list."""

    job_id: int
    states: Sequence[str] = ()
    outcomes: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None


async def list_occurrences(
    tx: AsyncConnection, scope: SiteScope, ledger: Ledger, *, limit: int, cursor: str | None
) -> Page[Occurrence]:
    """Occurrences, newest first."""
    table = occurrences.c
    query = _OCCURRENCES.where(*_conditions(ledger))
    if cursor is not None:
        at, made, last = decode_cursor(cursor, (str, str, str))
        place = tuple_(table.scheduled_for_at, table.created_at, table.id)
        query = query.where(place < tuple_(literal(instant_of(at)), literal(instant_of(made)), literal(uuid_of(last))))
    rows = (await tx.execute(query.order_by(*_NEWEST_FIRST).limit(limit + 1))).all()
    page = page_of(rows, limit, lambda row: (row.scheduled_for_at.isoformat(), row.created_at.isoformat(), str(row.id)))
    counts = await counts_of(tx, scope, [row.id for row in page.items])
    return page.map(lambda row: _occurrence(row, counts))


def _conditions(ledger: Ledger) -> list[ColumnElement[bool]]:
    table = occurrences.c
    conditions: list[ColumnElement[bool]] = [table.job_id == ledger.job_id]
    if ledger.states:
        conditions.append(table.state.in_(ledger.states))
    if ledger.outcomes:
        conditions.append(table.outcome.in_(ledger.outcomes))
    if ledger.since:
        conditions.append(table.scheduled_for_at >= ledger.since)
    if ledger.until:
        conditions.append(table.scheduled_for_at <= ledger.until)
    return conditions


async def find_occurrence(
    tx: AsyncConnection, scope: SiteScope, job_id: int, which: uuid.UUID | datetime | None
) -> Occurrence | None:
    """An occurrence of a job by id or due instant, with its waves; the newest that has targets without either."""
    table = occurrences.c
    query = _OCCURRENCES.where(table.job_id == job_id)
    if isinstance(which, uuid.UUID):
        query = query.where(table.id == which)
    elif which is not None:
        query = query.where(table.scheduled_for_at == which)
    else:
        # What was never opened has none: missed, held, or shut out as a whole.
        query = query.where(table.opened_at.is_not(None))
    row = (await tx.execute(query.order_by(*_NEWEST_FIRST).limit(1))).one_or_none()
    if row is None:
        return None
    (found,) = await with_waves(tx, scope, [_occurrence(row, await counts_of(tx, scope, [row.id]))])
    return found


async def get_occurrence(
    tx: AsyncConnection, scope: SiteScope, job_id: int, which: uuid.UUID | datetime | None
) -> Occurrence:
    found = await find_occurrence(tx, scope, job_id, which)
    if found is None:
        raise NotFoundError("This job has no such occurrence.", code="occurrence_not_found")
    return found


async def latest_opened(tx: AsyncConnection, job_ids: Sequence[int]) -> dict[int, uuid.UUID]:
    """The newest occurrence of each job that was opened, as `find_occurrence` would find it."""
    wanted = select(func.unnest(literal(list(job_ids), ARRAY(BigInteger))).label("job_id")).subquery()
    newest = (
        select(occurrences.c.job_id, occurrences.c.id)
        .where(occurrences.c.job_id == wanted.c.job_id, occurrences.c.opened_at.is_not(None))
        .order_by(*_NEWEST_FIRST)
        .limit(1)
        .lateral()
    )
    rows = await tx.execute(select(newest).select_from(wanted.join(newest, true())))
    return {row.job_id: row.id for row in rows}


async def runs_of(tx: AsyncConnection, occurrence_ids: Sequence[uuid.UUID]) -> list[Run]:
    columns = [runs.c[name] for name in Run.__slots__]
    query = select(*columns).where(runs.c.occurrence_id == any_(literal(list(occurrence_ids), ARRAY(Uuid))))
    return [Run(*row) for row in await tx.execute(query.order_by(runs.c.id))]


async def get_run(tx: AsyncConnection, run_id: int, job_ids: Select[tuple[int]]) -> tuple[Run, int]:
    """A run of one of `job_ids` (those that the reader may see), and the id of its job."""
    columns = [runs.c[name] for name in Run.__slots__]
    query = select(*columns, runs.c.job_id).where(runs.c.id == run_id, runs.c.job_id.in_(job_ids))
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such run.", code="run_not_found")
    return Run(*row[:-1]), row.job_id


async def places_of_runs(
    tx: AsyncConnection, run_ids: Sequence[int], job_ids: Select[tuple[int]]
) -> Mapping[int, RunPlace]:
    """Where those runs of `job_ids` (those that the reader may see) belong, by their ids."""
    query = (
        select(runs.c.id, runs.c.job_id, jobs.c.name, runs.c.occurrence_id)
        .join(jobs, jobs.c.id == runs.c.job_id)
        .where(runs.c.id.in_(run_ids), runs.c.job_id.in_(job_ids))
    )
    return {row[0]: RunPlace(*row[1:]) for row in await tx.execute(query)}


async def clear(tx: AsyncConnection, job_id: int, now: datetime) -> int:
    """Delete the finished occurrences of a job with all that belongs to them; returns how many."""
    table = occurrences.c
    gone = delete(occurrences).where(table.job_id == job_id, table.state.not_in(("open", "held")))
    begins = insert(ledger_starts).values(job_id=job_id, from_at=now)
    await tx.execute(begins.on_conflict_do_update(index_elements=["job_id"], set_={"from_at": now}))
    return (await tx.execute(gone)).rowcount

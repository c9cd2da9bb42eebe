"""Reading: occurrences of jobs, device rows, executions. Every query carries the reader's site scope."""

import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
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
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.problems import Problem
from watchbill.core.states import TargetState
from watchbill.devices.tables import device_presence, devices
from watchbill.identity.actor import SiteScope
from watchbill.kit.errors import ForbiddenError, InvalidError, NotFoundError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.runs.tables import executions, ledger_starts, occurrence_counts, occurrences, run_targets, runs
from watchbill.sites.tables import sites

_RECENT = 10


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One row of the ledger, with the counts of the reader's sites."""

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
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Run:
    id: int
    occurrence_id: uuid.UUID
    kind: str
    execution_context: str
    components: Sequence[Mapping[str, object]]
    time_limit_seconds: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class JobHistory:
    """What a job's row in a list says of its past: the newest occurrence and the last outcomes, newest first."""

    last: Occurrence | None
    recent: Sequence[str]


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One frozen device of an occurrence and what became of it."""

    target_id: int
    run_id: int
    device_id: uuid.UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    is_online: bool
    os: str
    state: TargetState
    reason: str | None
    detail: str | None
    wave: int
    attempt: int
    started_at: datetime | None
    finished_at: datetime | None
    expires_at: datetime
    deadline_at: datetime | None
    exit_code: int | None
    last_line: str | None
    late_result: Mapping[str, object] | None
    executions: Sequence["Execution"] = ()


@dataclass(frozen=True, slots=True)
class Execution:
    """One attempt on one device."""

    id: uuid.UUID
    target_id: int
    run_id: int
    device_id: uuid.UUID
    site_id: int
    component: int
    attempt: int
    state: str
    outcome: str | None
    exit_code: int | None
    signal: int | None
    reason: str | None
    detail: str | None
    started_at: datetime | None
    finished_at: datetime | None
    stdout_bytes: int
    stderr_bytes: int
    stored_bytes: int
    truncated: bool
    cancel_answer: str | None


_OCCURRENCE = (
    occurrences.c.id,
    occurrences.c.job_id,
    occurrences.c.kind,
    occurrences.c.scheduled_for_at,
    occurrences.c.state,
    occurrences.c.reason,
    occurrences.c.outcome,
    occurrences.c.is_late,
    occurrences.c.range_end_at,
    occurrences.c.range_count,
    occurrences.c.job_revision,
    occurrences.c.origin_occurrence_id,
    occurrences.c.started_by,
    occurrences.c.cancel_requested_at,
    occurrences.c.created_at,
    occurrences.c.opened_at,
    occurrences.c.closed_at,
)
# Two manual starts may share an instant, which has whole seconds.
_NEWEST_FIRST = (occurrences.c.scheduled_for_at.desc(), occurrences.c.created_at.desc(), occurrences.c.id.desc())
_OCCURRENCE_NAMES = tuple(column.name for column in _OCCURRENCE)
_EXECUTION = tuple(executions.c[name] for name in Execution.__slots__)


async def last_occurrences(tx: AsyncConnection, scope: SiteScope, job_ids: Sequence[int]) -> dict[int, JobHistory]:
    """The newest occurrence and the last ten outcomes of each job, in two statements whatever the number of jobs."""
    wanted = select(func.unnest(literal(list(job_ids), ARRAY(BigInteger))).label("job_id")).subquery()
    newest = (
        select(*_OCCURRENCE)
        .where(occurrences.c.job_id == wanted.c.job_id)
        .order_by(*_NEWEST_FIRST)
        .limit(_RECENT)
        .lateral()
    )
    rows = (await tx.execute(select(newest).select_from(wanted.join(newest, true())))).all()
    by_job: dict[int, list[Row[*tuple[Any, ...]]]] = defaultdict(list)
    for row in rows:
        by_job[row.job_id].append(row)
    counts = await counts_of(tx, scope, [found[0].id for found in by_job.values()])
    return {job_id: _history(by_job.get(job_id, []), counts) for job_id in job_ids}


def _history(rows: Sequence[Row[*tuple[Any, ...]]], counts: Mapping[uuid.UUID, Mapping[str, int]]) -> JobHistory:
    if not rows:
        return JobHistory(None, ())
    return JobHistory(_occurrence(rows[0], counts), [row.outcome or row.state for row in rows])


def _occurrence(row: Row[*tuple[Any, ...]], counts: Mapping[uuid.UUID, Mapping[str, int]]) -> Occurrence:
    return Occurrence(**dict(zip(_OCCURRENCE_NAMES, row, strict=True)), counts=counts.get(row.id, {}))


async def counts_of(
    tx: AsyncConnection, scope: SiteScope, occurrence_ids: Sequence[uuid.UUID]
) -> dict[uuid.UUID, dict[str, int]]:
    """Targets by state of each occurrence, summed over the reader's sites."""
    table = occurrence_counts.c
    query = (
        select(table.occurrence_id, table.state, func.sum(table.number))
        .where(table.occurrence_id == any_(literal(list(occurrence_ids), ARRAY(Uuid))), scope.clause(table.site_id))
        .group_by(table.occurrence_id, table.state)
        .having(func.sum(table.number) > 0)
    )
    found: dict[uuid.UUID, dict[str, int]] = defaultdict(dict)
    for occurrence_id, state, number in await tx.execute(query):
        found[occurrence_id][state] = number
    return found


async def require_whole(tx: AsyncConnection, scope: SiteScope, occurrence_id: uuid.UUID) -> None:
    """ForbiddenError when an occurrence has targets in sites that the caller does not see."""
    table = occurrence_counts.c
    foreign = select(table.site_id).where(table.occurrence_id == occurrence_id, ~scope.clause(table.site_id)).limit(1)
    if (await tx.execute(foreign)).first() is not None:
        detail = "This occurrence has devices of sites that you do not see."
        raise ForbiddenError(detail, code="job_spans_other_sites")


@dataclass(frozen=True, slots=True)
class Ledger:
    """Which occurrences to list. `job_ids` is a query of the jobs that the reader may see, or one job's id."""

    job_ids: Select[tuple[int]] | int
    states: Sequence[str] = ()
    outcomes: Sequence[str] = ()
    since: datetime | None = None
    until: datetime | None = None


async def list_occurrences(
    tx: AsyncConnection, scope: SiteScope, ledger: Ledger, *, limit: int, cursor: str | None
) -> Page[Occurrence]:
    """Occurrences, newest first."""
    table = occurrences.c
    query = select(*_OCCURRENCE).where(*_conditions(ledger))
    if cursor is not None:
        at, made, last = decode_cursor(cursor, (str, str, str))
        place = tuple_(table.scheduled_for_at, table.created_at, table.id)
        query = query.where(place < tuple_(literal(_instant(at)), literal(_instant(made)), literal(_uuid(last))))
    rows = (await tx.execute(query.order_by(*_NEWEST_FIRST).limit(limit + 1))).all()
    page = page_of(rows, limit, lambda row: (row.scheduled_for_at.isoformat(), row.created_at.isoformat(), str(row.id)))
    counts = await counts_of(tx, scope, [row.id for row in page.items])
    return page.map(lambda row: _occurrence(row, counts))


def _conditions(ledger: Ledger) -> list[ColumnElement[bool]]:
    table = occurrences.c
    if isinstance(ledger.job_ids, int):
        conditions: list[ColumnElement[bool]] = [table.job_id == ledger.job_ids]
    else:
        conditions = [table.job_id.in_(ledger.job_ids)]
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
    """An occurrence of a job by id or due instant; the newest that has targets without either."""
    table = occurrences.c
    query = select(*_OCCURRENCE).where(table.job_id == job_id)
    if isinstance(which, uuid.UUID):
        query = query.where(table.id == which)
    elif which is not None:
        query = query.where(table.scheduled_for_at == which)
    else:
        query = query.where(table.state.not_in(("missed", "held")))
    row = (await tx.execute(query.order_by(*_NEWEST_FIRST).limit(1))).one_or_none()
    return _occurrence(row, await counts_of(tx, scope, [row.id])) if row else None


async def get_occurrence(
    tx: AsyncConnection, scope: SiteScope, job_id: int, which: uuid.UUID | datetime | None
) -> Occurrence:
    found = await find_occurrence(tx, scope, job_id, which)
    if found is None:
        raise NotFoundError("This job has no such occurrence.", code="occurrence_not_found")
    return found


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


_TARGET_COLUMNS = (
    run_targets.c.id,
    run_targets.c.run_id,
    run_targets.c.device_id,
    run_targets.c.hostname,
    run_targets.c.site_id,
    sites.c.name.label("site_name"),
    device_presence.c.gateway_id.is_not(None).label("is_online"),
    devices.c.os_name,
    devices.c.os_version,
    run_targets.c.state,
    run_targets.c.reason,
    run_targets.c.detail,
    run_targets.c.wave,
    run_targets.c.attempt,
    run_targets.c.started_at,
    run_targets.c.finished_at,
    run_targets.c.expires_at,
    run_targets.c.deadline_at,
    run_targets.c.exit_code,
    run_targets.c.last_line,
    run_targets.c.late_result,
)


async def device_rows(
    tx: AsyncConnection,
    scope: SiteScope,
    occurrence_id: uuid.UUID,
    *,
    states: Sequence[str] = (),
    q: str | None = None,
    limit: int,
    cursor: str | None = None,
) -> Page[DeviceRow]:
    """Frozen devices of an occurrence by host name, with their executions."""
    table = run_targets.c
    name = func.lower(table.hostname)
    query = _target_query().where(table.occurrence_id == occurrence_id, scope.clause(table.site_id))
    if states:
        query = query.where(table.state.in_(states))
    if q:
        query = query.where(name.contains(q.lower(), autoescape=True))
    if cursor is not None:
        host, last = decode_cursor(cursor, (str, int))
        query = query.where(tuple_(name, table.id) > tuple_(literal(host), literal(last)))
    rows = (await tx.execute(query.order_by(name, table.id).limit(limit + 1))).all()
    page = page_of(rows, limit, lambda row: (row.hostname.lower(), row.id))
    done = await _executions_of(tx, [row.id for row in page.items])
    return page.map(lambda row: _device_row(row, done.get(row.id, ())))


def _target_query() -> Select[Any]:
    table = run_targets.c
    return select(*_TARGET_COLUMNS).select_from(
        run_targets.join(devices, devices.c.id == table.device_id)
        .outerjoin(sites, sites.c.id == table.site_id)
        .outerjoin(device_presence, device_presence.c.device_id == table.device_id)
    )


def _device_row(row: Row[*tuple[Any, ...]], done: Sequence[Execution]) -> DeviceRow:
    return DeviceRow(
        target_id=row.id,
        run_id=row.run_id,
        device_id=row.device_id,
        hostname=row.hostname,
        site_id=row.site_id or None,
        site_name=row.site_name,
        is_online=bool(row.is_online),
        os=f"{row.os_name} {row.os_version}".strip(),
        state=TargetState(row.state),
        executions=done,
        **{name: getattr(row, name) for name in _PLAIN},
    )


_PLAIN = (
    "reason",
    "detail",
    "wave",
    "attempt",
    "started_at",
    "finished_at",
    "expires_at",
    "deadline_at",
    "exit_code",
    "last_line",
    "late_result",
)


async def _executions_of(tx: AsyncConnection, target_ids: Sequence[int]) -> dict[int, list[Execution]]:
    query = (
        select(*_EXECUTION)
        .where(executions.c.target_id == any_(literal(list(target_ids), ARRAY(BigInteger))))
        .order_by(executions.c.target_id, executions.c.attempt, executions.c.component)
    )
    found: dict[int, list[Execution]] = defaultdict(list)
    for row in await tx.execute(query):
        found[row.target_id].append(Execution(*row))
    return found


async def get_execution(tx: AsyncConnection, scope: SiteScope, execution_id: uuid.UUID) -> Execution:
    query = select(*_EXECUTION).where(executions.c.id == execution_id, scope.clause(executions.c.site_id))
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise NotFoundError("There is no such execution.", code="execution_not_found")
    return Execution(*row)


async def executions_on(
    tx: AsyncConnection, scope: SiteScope, device_id: uuid.UUID, *, limit: int, cursor: str | None
) -> Page[tuple[Execution, int]]:
    """What ran on a device, newest first, each with the id of its job."""
    table = executions.c
    query = (
        select(*_EXECUTION, table.dispatched_at, runs.c.job_id)
        .join(runs, runs.c.id == table.run_id)
        .where(table.device_id == device_id, scope.clause(table.site_id))
    )
    if cursor is not None:
        at, last = decode_cursor(cursor, (str, str))
        query = query.where(
            or_(
                table.dispatched_at < _instant(at),
                and_(table.dispatched_at == _instant(at), table.id > _uuid(last)),
            )
        )
    rows = (await tx.execute(query.order_by(table.dispatched_at.desc(), table.id).limit(limit + 1))).all()
    page = page_of(rows, limit, lambda row: (row.dispatched_at.isoformat(), str(row.id)))
    return page.map(lambda row: (Execution(*row[:-2]), row.job_id))


async def devices_in(
    tx: AsyncConnection, occurrence_id: uuid.UUID, states: Sequence[TargetState]
) -> list[tuple[uuid.UUID, int]]:
    """(device, site) of an occurrence's targets in one of `states`."""
    table = run_targets.c
    query = select(table.device_id, table.site_id).where(
        table.occurrence_id == occurrence_id, table.state.in_([str(state) for state in states])
    )
    return [(row.device_id, row.site_id) for row in await tx.execute(query.order_by(table.id))]


async def clear(tx: AsyncConnection, job_id: int, now: datetime) -> int:
    """Delete the finished occurrences of a job with all that belongs to them; returns how many."""
    table = occurrences.c
    gone = delete(occurrences).where(table.job_id == job_id, table.state.not_in(("open", "held")))
    begins = insert(ledger_starts).values(job_id=job_id, from_at=now)
    await tx.execute(begins.on_conflict_do_update(index_elements=["job_id"], set_={"from_at": now}))
    return (await tx.execute(gone)).rowcount


def _instant(value: str | int | None) -> datetime:
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise _bad_cursor() from None


def _uuid(value: str | int | None) -> uuid.UUID:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        raise _bad_cursor() from None


def _bad_cursor() -> InvalidError:
    problem = Problem("cursor", "invalid", "must be a next_cursor of this list with the same sort")
    return InvalidError("The cursor does not belong to this list.", problems=[problem])

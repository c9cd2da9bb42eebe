"""Reading: which executions printed something, newest first, with the place where it stands. Every query carries the reader's site scope."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from sqlalchemy import Row, Select, cast, func, literal, select, text, tuple_
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import ColumnElement

from watchbill import jobs
from watchbill.core.output_words import Question, Snippet, Stream, snippet
from watchbill.core.problems import Problem
from watchbill.identity import SiteScope
from watchbill.jobs.tables import jobs as job_table
from watchbill.kit.errors import InvalidError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.runs.cursors import uuid_of
from watchbill.runs.output_texts import text_of
from watchbill.runs.retention import IDS_OF_A_DAY, day_of
from watchbill.runs.tables import executions, output_texts, retention, run_targets, runs
from watchbill.sites.tables import sites

#: A search that takes longer is refused.
MOST: Final = timedelta(seconds=5)
#: Texts that are in memory at one time.
_AT_ONCE: Final = 20
_SLOW: Final = "is in too much output to be found in time: name a job, a device or a time, or a rarer word"

# A plan for any word is a plan for none: how many outputs have it decides whether its index or the order is followed.
_SETTINGS: Final = text(
    "SELECT set_config('statement_timeout', :milliseconds, true), set_config('plan_cache_mode', 'force_custom_plan', true)"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to look for, and where. None, or nothing = anywhere; `since` and `until` are about when a run was opened."""

    question: Question
    stream: Stream | None = None
    job_id: int | None = None
    occurrence_id: uuid.UUID | None = None
    device_id: uuid.UUID | None = None
    site_ids: Sequence[int] = ()
    states: Sequence[str] = ()
    exit_code: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One execution whose output has it. `snippet` None = its words are apart in a way that no place shows."""

    execution_id: uuid.UUID
    run_id: int
    target_id: int
    device_id: uuid.UUID
    hostname: str
    site_id: int | None
    site_name: str | None
    job_id: int
    #: None: the job is gone, or none of the reader's any more.
    job_name: str | None
    occurrence_id: uuid.UUID
    state: str
    exit_code: int | None
    finished_at: datetime | None
    output_hash: bytes
    stream: Stream | None
    snippet: Snippet | None


async def search(tx: AsyncConnection, scope: SiteScope, wanted: Wanted, *, limit: int, cursor: str | None) -> Page[Hit]:
    """The newest first. What is found are the ends of each stream that `output_texts` keeps."""
    milliseconds = str(int(MOST.total_seconds() * 1000))
    await tx.execute(_SETTINGS, {"milliseconds": milliseconds})
    try:
        rows = (await tx.execute(_query(scope, wanted, limit, cursor))).all()
    except OperationalError as error:
        if isinstance(error.orig, psycopg.errors.QueryCanceled):
            raise InvalidError.of([Problem("q", "too_slow", _SLOW)], what="The search") from None
        raise
    page = page_of(rows, limit, lambda row: (row.run_id, str(row.execution_id)))
    return Page(await _shown(tx, page.items, wanted), page.next_cursor)


def _query(scope: SiteScope, wanted: Wanted, limit: int, cursor: str | None) -> Select[Any]:
    found = _found(scope, wanted, limit, cursor).subquery("found")
    return (
        select(
            found,
            run_targets.c.hostname,
            sites.c.name.label("site_name"),
            runs.c.job_id,
            runs.c.occurrence_id,
            run_targets.c.state,
            select(job_table.c.name)
            .where(job_table.c.id == runs.c.job_id, job_table.c.id.in_(jobs.visible_ids(scope)))
            .scalar_subquery()
            .label("job_name"),
        )
        .join(runs, runs.c.id == found.c.run_id)
        .join(run_targets, (run_targets.c.run_id == found.c.run_id) & (run_targets.c.id == found.c.target_id))
        .outerjoin(sites, sites.c.id == found.c.site_id)
        .order_by(found.c.run_id.desc(), found.c.execution_id.desc())
    )


def _found(scope: SiteScope, wanted: Wanted, limit: int, cursor: str | None) -> Select[Any]:
    """The page, before anything is looked up that is only shown."""
    done, words = executions.c, output_texts.c
    query = cast(literal(wanted.question.as_tsquery(wanted.stream)), TSQUERY)
    order = (words.run_id, done.id)
    chosen = (
        select(
            words.run_id,
            done.id.label("execution_id"),
            done.target_id,
            done.device_id,
            done.site_id,
            done.exit_code,
            done.finished_at,
            done.output_hash,
        )
        .join(executions, (done.run_id == words.run_id) & (done.output_hash == words.hash))
        .where(words.words.op("@@")(query), scope.clause(done.site_id), *_narrowed(wanted))
    )
    if cursor is not None:
        run_id, last = decode_cursor(cursor, (int, str))
        chosen = chosen.where(tuple_(*order) < tuple_(literal(run_id), literal(uuid_of(last))))
    return chosen.order_by(*(one.desc() for one in order)).limit(limit + 1)


def _narrowed(wanted: Wanted) -> list[ColumnElement[bool]]:
    done, run_id = executions.c, output_texts.c.run_id
    given: list[tuple[object, ColumnElement[bool]]] = [
        (wanted.device_id, done.device_id == wanted.device_id),
        (wanted.exit_code, done.exit_code == wanted.exit_code),
    ]
    clauses = [clause for value, clause in given if value is not None]
    if wanted.site_ids:
        clauses.append(done.site_id.in_(wanted.site_ids))
    if wanted.states:
        target = run_targets.c
        its = select(target.id).where(
            target.run_id == run_id, target.id == done.target_id, target.state.in_(wanted.states)
        )
        clauses.append(its.exists())
    return [*clauses, *_of_runs(wanted)]


def _of_runs(wanted: Wanted) -> list[ColumnElement[bool]]:
    run_id = output_texts.c.run_id
    clauses: list[ColumnElement[bool]] = []
    if wanted.job_id is not None:
        clauses.append(run_id.in_(select(runs.c.id).where(runs.c.job_id == wanted.job_id)))
    if wanted.occurrence_id is not None:
        clauses.append(run_id.in_(select(runs.c.id).where(runs.c.occurrence_id == wanted.occurrence_id)))
    if wanted.since is not None:
        # The first of that day: the database leaves out the weeks before.
        clauses += [run_id >= _first_id(wanted.since), _opened(runs.c.created_at >= wanted.since)]
    if wanted.until is not None:
        # An id may be of a later day than its run where the clock was set back, but never beyond the first day that is open.
        last = func.greatest(_first_id(wanted.until + timedelta(days=1)), _first_open())
        clauses += [run_id < last, _opened(runs.c.created_at <= wanted.until)]
    return clauses


def _first_id(instant: datetime) -> int:
    return max(day_of(instant), 0) * IDS_OF_A_DAY


def _first_open() -> ColumnElement[int]:
    return select((retention.c.first_open_day + 1) * literal(IDS_OF_A_DAY)).scalar_subquery()


def _opened(when: ColumnElement[bool]) -> ColumnElement[bool]:
    return select(runs.c.id).where(runs.c.id == output_texts.c.run_id, when).exists()


async def _shown(tx: AsyncConnection, rows: Sequence[Row[Any]], wanted: Wanted) -> list[Hit]:
    """Snippets are cut a few texts at a time: they are long."""
    keys = sorted({(row.run_id, bytes(row.output_hash)) for row in rows})
    places: dict[tuple[int, bytes], tuple[Stream, Snippet]] = {}
    for first in range(0, len(keys), _AT_ONCE):
        for key, both in (await text_of(tx, keys[first : first + _AT_ONCE])).items():
            if (place := _place(both, wanted)) is not None:
                places[key] = place
    return [_hit(row, places.get((row.run_id, bytes(row.output_hash)))) for row in rows]


def _place(both: tuple[str, str], wanted: Wanted) -> tuple[Stream, Snippet] | None:
    named: list[tuple[Stream, str]] = [("stdout", both[0]), ("stderr", both[1])]
    for stream, written in named:
        if wanted.stream in (None, stream) and (found := snippet(written, wanted.question)) is not None:
            return stream, found
    return None


def _hit(row: Row[Any], place: tuple[Stream, Snippet] | None) -> Hit:
    return Hit(
        execution_id=row.execution_id,
        run_id=row.run_id,
        target_id=row.target_id,
        device_id=row.device_id,
        hostname=row.hostname,
        site_id=row.site_id or None,
        site_name=row.site_name,
        job_id=row.job_id,
        job_name=row.job_name,
        occurrence_id=row.occurrence_id,
        state=row.state,
        exit_code=row.exit_code,
        finished_at=row.finished_at,
        output_hash=bytes(row.output_hash),
        stream=place[0] if place else None,
        snippet=place[1] if place else None,
    )

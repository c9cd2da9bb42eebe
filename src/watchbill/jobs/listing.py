"""Reading jobs as one reader sees them: the site scope is part of every statement, and a page costs four whatever its length.

A job is visible where it may run in one of the reader's sites: a device of it, not left out, lies there, or its rules look there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Row,
    Select,
    Text,
    and_,
    any_,
    cast,
    exists,
    func,
    literal,
    literal_column,
    select,
    text,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.problems import Problem
from watchbill.credentials.tables import credentials
from watchbill.identity.actor import SiteScope
from watchbill.identity.tables import operators
from watchbill.jobs import summary
from watchbill.jobs.definition import Listed, read_listed
from watchbill.jobs.login_store import is_locking
from watchbill.jobs.scope import scope_left
from watchbill.jobs.tables import job_reach, jobs
from watchbill.jobs.values import JobFilter, SavedJob
from watchbill.kit.clock import rfc3339
from watchbill.kit.errors import InvalidError
from watchbill.kit.paging import Page, decode_cursor, page_of

#: Conditions on `jobs`.
Only = Sequence[ColumnElement[bool]]

_CREATOR, _EDITOR = operators.alias("creator"), operators.alias("editor")
_NEVER: ColumnElement[datetime] = literal_column("'infinity'::timestamptz")
_NOT_YET: ColumnElement[datetime] = literal_column("'-infinity'::timestamptz")
_WITHOUT = {"infinity": _NEVER, "-infinity": _NOT_YET}
_PLAIN = (
    "id", "revision", "definition", "enabled", "state", "state_reason", "paused_until", "mark_at", "next_due_at",
    "created_by", "updated_by", "created_at", "updated_at", "allowed_site_ids", "scope_left", "last_run_at",
    "locked_by",
)  # fmt: skip

# A scope of one site of a hundred and one of all of them need different plans; a prepared statement's generic plan took
# 600 ms where this takes 20 (100,000 jobs).
_PLAN_FOR_VALUES = text("SET LOCAL plan_cache_mode = force_custom_plan")


@dataclass(frozen=True, slots=True)
class _Order:
    """A sort: its expression, how a cursor spells the value, and how it is read back."""

    column: ColumnElement[Any]
    is_text: bool = False

    def of_cursor(self, value: str) -> ColumnElement[Any]:
        if self.is_text:
            return literal(value)
        if value in _WITHOUT:
            return _WITHOUT[value]
        try:
            return literal(datetime.fromisoformat(value), DateTime(timezone=True))
        except ValueError:
            raise _bad_cursor() from None


_ORDERS: Mapping[str, _Order] = {
    "name": _Order(func.lower(jobs.c.name), is_text=True),
    "next_due": _Order(func.coalesce(jobs.c.next_due_at, _NEVER)),
    "last_run": _Order(func.coalesce(jobs.c.last_run_at, _NOT_YET)),
    "updated": _Order(jobs.c.updated_at),
    "state": _Order(jobs.c.state, is_text=True),
}


def visible_ids(scope: SiteScope) -> Select[tuple[int]]:
    """The ids of all jobs a reader may see, for use inside other queries."""
    return select(jobs.c.id).where(jobs.c.deleted_at.is_(None), _is_visible(scope))


def is_seen(scope: SiteScope, job_id: ColumnElement[int] | None = None) -> ColumnElement[bool]:
    """Whether a job of a list, or the one that a column of another table names, reaches the sites of a scope."""
    return true() if scope.site_ids is None else _among_reached(scope.clause(job_reach.c.site_id), job_id)


def _is_visible(scope: SiteScope) -> ColumnElement[bool]:
    return true() if scope.site_ids is None else _reaches(scope.clause(job_reach.c.site_id))


def _among_reached(condition: ColumnElement[bool], job_id: ColumnElement[int] | None = None) -> ColumnElement[bool]:
    """Whether a job of a list may run in a site that meets `condition`: the jobs of such sites are found once, and each is looked up.

    IS TRUE keeps the planner from making a join of it, which it would work through anew for each job: with a limit it hopes to end
    soon, and compared three million pairs for a page (2,000 jobs, an operator of three of 200 sites).
    """
    found = select(job_reach.c.job_id).where(condition)
    return (jobs.c.id if job_id is None else job_id).in_(found).is_(true())


def _reaches(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """The same for one job."""
    return exists().where(job_reach.c.job_id == jobs.c.id, condition)


def _query(definition: ColumnElement[Any]) -> Select[Any]:
    return (
        select(
            *[jobs.c[name] for name in _PLAIN if name in jobs.c and name != "definition" and not name.endswith("_by")],
            definition.label("definition"),
            scope_left().label("scope_left"),
            func.lower(jobs.c.name).label("sort_name"),
            _CREATOR.c.username.label("created_by"),
            _EDITOR.c.username.label("updated_by"),
            credentials.c.name.label("locked_by"),
        )
        .select_from(jobs)
        .outerjoin(_CREATOR, _CREATOR.c.id == jobs.c.created_by)
        .outerjoin(_EDITOR, _EDITOR.c.id == jobs.c.updated_by)
        .outerjoin(credentials, is_locking())
        .where(jobs.c.deleted_at.is_(None))
    )


# Put together once: a statement of so many columns takes milliseconds to compose.
_QUERY = _query(jobs.c.definition)
# A list names no targets, which may be thousands: they are not even read.
_LISTED = _query(cast(jobs.c.definition.op("-")(literal_column("ARRAY['targets', 'exclusions']")), Text))


async def find(tx: AsyncConnection, scope: SiteScope, job_id: int, *, for_update: bool = False) -> SavedJob | None:
    """One visible job; None when there is none, or none for this reader."""
    query = _QUERY.where(jobs.c.id == job_id, _is_visible(scope))
    if for_update:
        query = query.with_for_update(of=jobs)
    row = (await tx.execute(query)).one_or_none()
    return (await _with_targets(tx, scope, [row]))[0] if row is not None else None


async def is_there(tx: AsyncConnection, scope: SiteScope, job_id: int) -> bool:
    """Whether a job is visible, for who needs nothing else of it."""
    return (await tx.execute(visible_ids(scope).where(jobs.c.id == job_id))).one_or_none() is not None


async def ids_named(tx: AsyncConnection, scope: SiteScope, name: str) -> list[int]:
    """The visible jobs with exactly this name, oldest first."""
    is_named = and_(func.lower(jobs.c.name) == func.lower(name), jobs.c.name == name)
    rows = await tx.execute(visible_ids(scope).where(is_named).order_by(jobs.c.id))
    return [row.id for row in rows]


async def list_page(
    tx: AsyncConnection, scope: SiteScope, wanted: JobFilter, *, limit: int, cursor: str | None, only: Only = ()
) -> Page[SavedJob]:
    """`only`: what else has to hold, as far as features above know it. The definitions come without targets and exclusions."""
    if scope.site_ids is not None or wanted.site_id is not None:
        await tx.execute(_PLAN_FOR_VALUES)
    rows = (await tx.execute(page_query(scope, wanted, limit=limit, cursor=cursor, only=only))).all()
    page = page_of(rows, limit, lambda row: _cursor_of(wanted.sort.removeprefix("-"), row))
    return Page(await _with_targets(tx, scope, page.items, is_listed=True), page.next_cursor)


def page_query(scope: SiteScope, wanted: JobFilter, *, limit: int, cursor: str | None, only: Only = ()) -> Select[Any]:
    """One page and one row more, by a row comparison that an index answers at any depth."""
    query = _LISTED.where(*_conditions(scope, wanted), *only)
    name, is_descending = wanted.sort.removeprefix("-"), wanted.sort.startswith("-")
    keys = _keys(name)
    if cursor is not None:
        place, after = tuple_(*keys), tuple_(*_after(name, cursor))
        query = query.where(place < after if is_descending else place > after)
    return query.order_by(*[key.desc() if is_descending else key.asc() for key in keys]).limit(limit + 1)


def _keys(sort: str) -> list[ColumnElement[Any]]:
    return [jobs.c.id] if sort == "id" else [_ORDERS[sort].column, jobs.c.id]


def _after(sort: str, cursor: str) -> list[ColumnElement[Any]]:
    """The keys in a cursor, which says for which sort it was made."""
    made_for, value, last_id = decode_cursor(cursor, (str, str, int))
    if made_for != sort or value is None or last_id is None or not 0 <= int(last_id) < 2**63:
        raise _bad_cursor()
    after_id = literal(int(last_id), BigInteger)
    return [after_id] if sort == "id" else [_ORDERS[sort].of_cursor(str(value)), after_id]


def _cursor_of(sort: str, row: Row[Any]) -> tuple[str, str, int]:
    match sort:
        case "name":
            # As the database lowers it: Python knows other rules for some letters.
            return (sort, row.sort_name, row.id)
        case "next_due":
            return (sort, rfc3339(row.next_due_at) if row.next_due_at else "infinity", row.id)
        case "last_run":
            return (sort, rfc3339(row.last_run_at) if row.last_run_at else "-infinity", row.id)
        case "state":
            return (sort, row.state, row.id)
        case "updated":
            return (sort, rfc3339(row.updated_at), row.id)
        case _:
            return (sort, "", row.id)


def _bad_cursor() -> InvalidError:
    problem = Problem("cursor", "invalid", "must be a next_cursor of this list with the same sort")
    return InvalidError("The cursor does not belong to this list.", problems=[problem])


def _conditions(scope: SiteScope, wanted: JobFilter) -> list[ColumnElement[bool]]:
    conditions = [is_seen(scope)]
    if wanted.q:
        conditions.append(jobs.c.name.icontains(wanted.q, autoescape=True))
    if wanted.kind == "workflow":
        conditions.append(jobs.c.workflow_id.is_not(None))
    elif wanted.kind is not None:
        conditions.append(jobs.c.job_kind == wanted.kind)
    if wanted.state is not None:
        conditions.append(jobs.c.state == wanted.state)
    if wanted.enabled is not None:
        conditions.append(jobs.c.enabled == wanted.enabled)
    if wanted.tags:
        conditions.append(jobs.c.tags.contains(list(wanted.tags)))
    if wanted.site_id is not None:
        site = job_reach.c.site_id == cast(wanted.site_id, BigInteger)
        conditions.append(_among_reached(and_(site, scope.clause(job_reach.c.site_id))))
    return conditions


async def hold_matching(
    tx: AsyncConnection, scope: SiteScope, wanted: JobFilter, *, limit: int, only: Only = ()
) -> list[SavedJob]:
    """The first jobs of a list, oldest first, held until the transaction ends."""
    await tx.execute(_PLAN_FOR_VALUES)
    query = _QUERY.where(*_conditions(scope, wanted), *only).order_by(jobs.c.id).limit(limit)
    return await _with_targets(tx, scope, (await tx.execute(query.with_for_update(of=jobs))).all())


async def hold_many(tx: AsyncConnection, scope: SiteScope, job_ids: Sequence[int]) -> list[SavedJob]:
    """Of these jobs the visible ones, oldest first, held until the transaction ends."""
    await tx.execute(_PLAN_FOR_VALUES)
    chosen = jobs.c.id == any_(literal(list(job_ids), ARRAY(BigInteger)))
    query = _QUERY.where(chosen, _is_visible(scope)).order_by(jobs.c.id).with_for_update(of=jobs)
    return await _with_targets(tx, scope, (await tx.execute(query)).all())


async def _with_targets(
    tx: AsyncConnection, scope: SiteScope, rows: Sequence[Row[Any]], *, is_listed: bool = False
) -> list[SavedJob]:
    found = await summary.of_jobs(tx, scope, [row.id for row in rows], is_listed=is_listed)
    return [_job(row, found[row.id], read_listed(row.definition) if is_listed else None) for row in rows]


def _job(row: Row[Any], told: summary.Told, listed: Listed | None) -> SavedJob:
    values = {name: getattr(row, name) for name in _PLAIN}
    if listed is not None:
        values["definition"] = listed.definition
    return SavedJob(
        **values,
        listed=listed,
        targets=told.targets,
        spans_other_sites=told.spans,
        spares_other_sites=told.spares,
        seen=told.seen,
    )

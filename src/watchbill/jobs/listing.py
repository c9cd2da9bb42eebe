"""Reading jobs as one reader sees them: the site scope is part of every statement, and a page costs three whatever its length.

A job is visible when at least one of its devices, not left out by an exclusion, lies in the reader's sites.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Row,
    Select,
    and_,
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
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.problems import Problem
from watchbill.devices.tables import devices
from watchbill.identity.actor import SiteScope
from watchbill.identity.tables import operators
from watchbill.jobs.tables import job_targets, jobs
from watchbill.jobs.values import JobFilter, SavedJob, TargetSummary
from watchbill.kit.clock import rfc3339
from watchbill.kit.errors import InvalidError
from watchbill.kit.paging import Page, decode_cursor, page_of

_CREATOR, _EDITOR = operators.alias("creator"), operators.alias("editor")
_NEVER: ColumnElement[datetime] = literal_column("'infinity'::timestamptz")
_PLAIN = (
    "id", "revision", "definition", "enabled", "state", "state_reason", "paused_until", "mark_at", "next_due_at",
    "created_by", "updated_by", "created_at", "updated_at", "allowed_site_ids",
)  # fmt: skip

# Who sees every site needs no look at the devices themselves.
_SUMMARY_OF_ALL = text("""
WITH out AS MATERIALIZED (SELECT job_id, device_id FROM job_targets WHERE job_id = ANY(:ids) AND is_exclusion)
SELECT t.job_id, count(*) FILTER (WHERE NOT t.is_out) AS devices, count(*) FILTER (WHERE t.is_out) AS excluded,
  count(t.gateway_id) FILTER (WHERE NOT t.is_out) AS online, false AS spans, false AS spares, NULL AS visible
FROM (
  SELECT s.job_id, p.gateway_id, (s.job_id, s.device_id) IN (SELECT job_id, device_id FROM out) AS is_out
  FROM job_targets s LEFT JOIN device_presence p ON p.device_id = s.device_id
  WHERE s.job_id = ANY(:ids) AND NOT s.is_exclusion
) t GROUP BY t.job_id
""")
# `inside` is what the reader may know of, found from the side of whichever are fewer, the devices of his sites or those of the jobs.
# Of devices of other sites only marks are left: `spans` (to run on) and `spares` (left out), each at the first one found.
_SUMMARY_OF_SITES = text("""
WITH out AS MATERIALIZED (
  SELECT s.job_id, s.device_id, coalesce(d.site_id = ANY(:sites), false) AS is_inside
  FROM job_targets s JOIN devices d ON d.id = s.device_id WHERE s.job_id = ANY(:ids) AND s.is_exclusion
), inside AS (
  SELECT s.job_id, s.device_id, p.gateway_id IS NOT NULL AS is_online, false AS is_exclusion,
    (s.job_id, s.device_id) IN (SELECT job_id, device_id FROM out) AS is_excluded
  FROM devices d JOIN job_targets s ON s.device_id = d.id AND s.job_id = ANY(:ids) AND NOT s.is_exclusion
  LEFT JOIN device_presence p ON p.device_id = d.id
  WHERE d.site_id = ANY(:sites)
  UNION ALL SELECT job_id, device_id, false, true, true FROM out WHERE is_inside
)
SELECT w.job_id,
  count(*) FILTER (WHERE NOT i.is_exclusion AND NOT i.is_excluded) AS devices,
  count(*) FILTER (WHERE NOT i.is_exclusion AND i.is_excluded) AS excluded,
  count(*) FILTER (WHERE NOT i.is_exclusion AND NOT i.is_excluded AND i.is_online) AS online,
  EXISTS (SELECT FROM job_targets s JOIN devices d ON d.id = s.device_id
    WHERE s.job_id = w.job_id AND NOT s.is_exclusion AND NOT coalesce(d.site_id = ANY(:sites), false)) AS spans,
  EXISTS (SELECT FROM out x WHERE x.job_id = w.job_id AND NOT x.is_inside) AS spares,
  array_agg(i.device_id) AS visible
FROM unnest(CAST(:ids AS bigint[])) AS w(job_id) LEFT JOIN inside i ON i.job_id = w.job_id GROUP BY w.job_id
""")


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
        if value == "infinity":
            return _NEVER
        try:
            return literal(datetime.fromisoformat(value), DateTime(timezone=True))
        except ValueError:
            raise _bad_cursor() from None


_ORDERS: Mapping[str, _Order] = {
    "name": _Order(func.lower(jobs.c.name), is_text=True),
    "next_due": _Order(func.coalesce(jobs.c.next_due_at, _NEVER)),
    "updated": _Order(jobs.c.updated_at),
}


def visible_ids(scope: SiteScope) -> Select[tuple[int]]:
    """The ids of all jobs a reader may see, for use inside other queries."""
    return select(jobs.c.id).where(jobs.c.deleted_at.is_(None), _is_visible(scope))


def is_seen(scope: SiteScope, job_id: ColumnElement[int] | None = None) -> ColumnElement[bool]:
    """Whether a job of a list, or the one that a column of another table names, reaches the sites of a scope."""
    return true() if scope.site_ids is None else _is_among(scope.clause(devices.c.site_id), job_id)


def _is_visible(scope: SiteScope) -> ColumnElement[bool]:
    if scope.site_ids is None:
        return true()
    return _has_device(scope.clause(devices.c.site_id))


def _targets_of(condition: ColumnElement[bool], *columns: ColumnElement[Any]) -> Select[Any]:
    """The devices that jobs run on and that meet `condition`, but for those that an exclusion leaves out."""
    excluded = job_targets.alias("excluded")
    left_out = exists().where(
        excluded.c.job_id == job_targets.c.job_id,
        excluded.c.is_exclusion,
        excluded.c.device_id == job_targets.c.device_id,
    )
    named = job_targets.join(devices, devices.c.id == job_targets.c.device_id)
    return select(*columns).select_from(named).where(~job_targets.c.is_exclusion, condition, ~left_out)


def _has_device(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a job has a device that it runs on and that meets `condition`."""
    return _targets_of(condition, literal(1)).where(job_targets.c.job_id == jobs.c.id).exists()


def _is_among(condition: ColumnElement[bool], job_id: ColumnElement[int] | None = None) -> ColumnElement[bool]:
    """The same for a list: the jobs of those devices are found once, and each job of the list is looked up among them.

    IS TRUE keeps the planner from making a join of it, which it would work through anew for each job: with a limit it hopes to end
    soon, and compared three million pairs for a page (2,000 jobs, an operator of three of 200 sites).
    """
    found = _targets_of(condition, job_targets.c.job_id)
    return (jobs.c.id if job_id is None else job_id).in_(found).is_(true())


def _query() -> Select[Any]:
    columns = [jobs.c[name] for name in _PLAIN if not name.endswith("_by")]
    return (
        select(
            *columns,
            func.lower(jobs.c.name).label("sort_name"),
            _CREATOR.c.username.label("created_by"),
            _EDITOR.c.username.label("updated_by"),
        )
        .select_from(jobs)
        .outerjoin(_CREATOR, _CREATOR.c.id == jobs.c.created_by)
        .outerjoin(_EDITOR, _EDITOR.c.id == jobs.c.updated_by)
        .where(jobs.c.deleted_at.is_(None))
    )


async def find(tx: AsyncConnection, scope: SiteScope, job_id: int, *, for_update: bool = False) -> SavedJob | None:
    """One visible job; None when there is none, or none for this reader."""
    query = _query().where(jobs.c.id == job_id, _is_visible(scope))
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
    tx: AsyncConnection, scope: SiteScope, wanted: JobFilter, *, limit: int, cursor: str | None
) -> Page[SavedJob]:
    await tx.execute(_PLAN_FOR_VALUES)
    rows = (await tx.execute(page_query(scope, wanted, limit=limit, cursor=cursor))).all()
    page = page_of(rows, limit, lambda row: _cursor_of(wanted.sort.removeprefix("-"), row))
    return Page(await _with_targets(tx, scope, page.items), page.next_cursor)


def page_query(scope: SiteScope, wanted: JobFilter, *, limit: int, cursor: str | None) -> Select[Any]:
    """One page and one row more, by a row comparison that an index answers at any depth."""
    query = _query().where(*_conditions(scope, wanted))
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
    if wanted.kind is not None:
        conditions.append(jobs.c.job_kind == wanted.kind)
    if wanted.state is not None:
        conditions.append(jobs.c.state == wanted.state)
    if wanted.enabled is not None:
        conditions.append(jobs.c.enabled == wanted.enabled)
    if wanted.site_id is not None:
        site = devices.c.site_id == cast(wanted.site_id, BigInteger)
        conditions.append(_is_among(and_(site, scope.clause(devices.c.site_id))))
    return conditions


async def _with_targets(tx: AsyncConnection, scope: SiteScope, rows: Sequence[Row[Any]]) -> list[SavedJob]:
    ids = [row.id for row in rows]
    statement = _SUMMARY_OF_ALL if scope.site_ids is None else _SUMMARY_OF_SITES
    given = {"ids": ids} if scope.site_ids is None else {"ids": ids, "sites": scope.as_list()}
    found = await tx.execute(statement, given) if ids else ()
    summaries = {row.job_id: row for row in found}
    return [_job(row, summaries.get(row.id)) for row in rows]


def _job(row: Row[Any], summary: Row[Any] | None) -> SavedJob:
    job = SavedJob(**{name: getattr(row, name) for name in _PLAIN})
    if summary is None:
        return job
    return replace(
        job,
        targets=TargetSummary(summary.devices, summary.excluded, summary.online),
        spans_other_sites=summary.spans,
        spares_other_sites=summary.spares,
        visible_devices=None if summary.visible is None else frozenset(str(one) for one in summary.visible),
    )

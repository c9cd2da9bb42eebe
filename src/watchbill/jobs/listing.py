"""Reading jobs as one reader sees them: the site scope is part of every statement, and a page costs four whatever its length.

A job is visible where it may run in one of the reader's sites: a device of it, not left out, lies there, or its rules look there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Row,
    Select,
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
from watchbill.core.targets import SeenTargets
from watchbill.filters.visible import IS_SEEN
from watchbill.identity.actor import SiteScope
from watchbill.identity.tables import operators
from watchbill.jobs.scope import scope_left
from watchbill.jobs.tables import job_reach, jobs
from watchbill.jobs.values import JobFilter, SavedJob, TargetSummary
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
)  # fmt: skip

# What its rules are, of each job that has some, and what the reader may know of them (NULL sites = everything). A rule reaches wherever
# the job's scope does.
_RULES = text(f"""
SELECT t.job_id,
  coalesce(array_agg(t.filter ORDER BY t.position) FILTER (WHERE t.inside AND NOT t.is_exclusion AND t.filter IS NOT NULL), '{{}}') AS filters,
  coalesce(array_agg(t.site ORDER BY t.position) FILTER (WHERE t.inside AND NOT t.is_exclusion AND t.site IS NOT NULL), '{{}}') AS sites,
  bool_or(t.kind = 'all_devices') AS all_devices,
  bool_or(NOT t.is_exclusion AND NOT (t.inside AND t.reaches_inside)) AS spans,
  bool_or(t.is_exclusion AND NOT t.inside) AS spares,
  array_agg(t.site_id) FILTER (WHERE t.inside AND t.site_id IS NOT NULL) AS seen_sites,
  array_agg(t.filter_id) FILTER (WHERE t.inside AND t.filter_id IS NOT NULL) AS seen_filters
FROM (
  SELECT s.job_id, s.kind, s.position, s.is_exclusion, s.site_id, s.filter_id, f.name AS filter, y.name AS site,
    CAST(:sites AS bigint[]) IS NULL OR s.kind = 'site' OR (j.allowed_site_ids <@ CAST(:sites AS bigint[])) IS TRUE AS reaches_inside,
    CAST(:sites AS bigint[]) IS NULL OR CASE s.kind WHEN 'site' THEN s.site_id = ANY(:sites) WHEN 'filter' THEN {IS_SEEN} ELSE true END AS inside
  FROM job_targets s
  JOIN jobs j ON j.id = s.job_id
  LEFT JOIN device_filters f ON f.id = s.filter_id
  LEFT JOIN sites y ON y.id = s.site_id
  WHERE s.job_id = ANY(:ids) AND s.device_id IS NULL
) t GROUP BY t.job_id
""")
#: Of a job that names more devices than these, a list does not look which are online.
MOST_LOOKED_AT: Final = 1000
# Who sees every site needs no look at the devices themselves.
_SUMMARY_OF_ALL = text("""
SELECT w.job_id, n.named - n.excluded AS devices, n.excluded, false AS spans, false AS spares, NULL AS seen_devices,
  CASE WHEN n.named <= :most THEN (
    SELECT count(*) FROM job_targets s JOIN device_presence p ON p.device_id = s.device_id AND p.gateway_id IS NOT NULL
    WHERE s.job_id = w.job_id AND NOT s.is_exclusion
      AND NOT EXISTS (SELECT FROM job_targets x WHERE x.job_id = w.job_id AND x.is_exclusion AND x.device_id = s.device_id)) END AS online
FROM unnest(CAST(:ids AS bigint[])) AS w(job_id) CROSS JOIN LATERAL (
  SELECT
    (SELECT count(*) FROM job_targets s WHERE s.job_id = w.job_id AND NOT s.is_exclusion)
    - (SELECT count(*) FROM job_targets s WHERE s.job_id = w.job_id AND NOT s.is_exclusion AND s.device_id IS NULL) AS named,
    (SELECT count(*) FROM job_targets x JOIN job_targets s ON s.job_id = x.job_id AND s.device_id = x.device_id AND NOT s.is_exclusion
     WHERE x.job_id = w.job_id AND x.is_exclusion) AS excluded
) AS n
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
  array_agg(i.device_id) FILTER (WHERE i.device_id IS NOT NULL) AS seen_devices
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


# Put together once: a statement of so many columns takes milliseconds to compose.
_QUERY: Select[Any] = (
    select(
        *[jobs.c[name] for name in _PLAIN if name in jobs.c and not name.endswith("_by")],
        scope_left().label("scope_left"),
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
    """`only`: what else has to hold, as far as features above know it."""
    if scope.site_ids is not None or wanted.site_id is not None:
        await tx.execute(_PLAN_FOR_VALUES)
    rows = (await tx.execute(page_query(scope, wanted, limit=limit, cursor=cursor, only=only))).all()
    page = page_of(rows, limit, lambda row: _cursor_of(wanted.sort.removeprefix("-"), row))
    return Page(await _with_targets(tx, scope, page.items), page.next_cursor)


def page_query(scope: SiteScope, wanted: JobFilter, *, limit: int, cursor: str | None, only: Only = ()) -> Select[Any]:
    """One page and one row more, by a row comparison that an index answers at any depth."""
    query = _QUERY.where(*_conditions(scope, wanted), *only)
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
    if wanted.kind is not None:
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


async def _with_targets(tx: AsyncConnection, scope: SiteScope, rows: Sequence[Row[Any]]) -> list[SavedJob]:
    """Two statements for a page: its devices named one by one, and its rules."""
    if not rows:
        return []
    ids, sites = [row.id for row in rows], scope.as_list()
    statement = _SUMMARY_OF_ALL if sites is None else _SUMMARY_OF_SITES
    given = {"ids": ids, "most": MOST_LOOKED_AT} if sites is None else {"ids": ids, "sites": sites}
    named = {row.job_id: row for row in await tx.execute(statement, given)}
    rules = {row.job_id: row for row in await tx.execute(_RULES, {"ids": ids, "sites": sites})}
    return [_job(row, named.get(row.id), rules.get(row.id), scope) for row in rows]


def _job(row: Row[Any], named: Row[Any] | None, rules: Row[Any] | None, scope: SiteScope) -> SavedJob:
    devices = {one: getattr(named, one) for one in ("devices", "excluded", "online")} if named else {}
    found = {one: getattr(rules, one) for one in ("filters", "sites", "all_devices")} if rules else {}
    return SavedJob(
        **{name: getattr(row, name) for name in _PLAIN},
        targets=TargetSummary(**devices, **found),
        spans_other_sites=any(one.spans for one in (named, rules) if one),
        spares_other_sites=any(one.spares for one in (named, rules) if one),
        seen=None if scope.site_ids is None else _seen(named, rules),
    )


def _seen(named: Row[Any] | None, rules: Row[Any] | None) -> SeenTargets:
    return SeenTargets(
        devices=frozenset(str(one) for one in (named.seen_devices if named else None) or ()),
        sites=frozenset((rules.seen_sites if rules else None) or ()),
        filters=frozenset((rules.seen_filters if rules else None) or ()),
    )

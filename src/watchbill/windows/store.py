"""The SQL of windows: writing them, and reading them as one reader sees them. Decides nothing.

A window is visible when it is global, or attached to a site, a device or a job that the reader sees. What covers a device at
run time is asked in `covering`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    Uuid,
    and_,
    any_,
    case,
    cast,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    true,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import jobs
from watchbill.core.window_rules import Attachment
from watchbill.devices.tables import devices
from watchbill.filters import Use
from watchbill.filters.tables import device_filters
from watchbill.filters.visible import IS_SEEN
from watchbill.identity.actor import SiteScope
from watchbill.identity.tables import operators
from watchbill.jobs.aiming import MEMBERS
from watchbill.jobs.tables import job_reach
from watchbill.jobs.tables import jobs as job_table
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.sites.tables import sites
from watchbill.windows.tables import window_attachments, windows
from watchbill.windows.values import NamedAttachment, SavedWindow, WindowFilter

_F = device_filters.alias("f")
_CREATOR, _EDITOR = operators.alias("creator"), operators.alias("editor")
_PLAIN = (
    "id", "name", "description", "kind", "spans", "zone_source", "when_closed", "cutoff_seconds", "stop_at_end",
    "enabled", "revision", "created_by", "updated_by", "created_at", "updated_at",
)  # fmt: skip


def _query() -> Select[Any]:
    columns = [windows.c[name] for name in _PLAIN if not name.endswith("_by")]
    return (
        select(
            *columns,
            func.lower(windows.c.name).label("sort_name"),
            _CREATOR.c.username.label("created_by"),
            _EDITOR.c.username.label("updated_by"),
        )
        .select_from(windows)
        .outerjoin(_CREATOR, _CREATOR.c.id == windows.c.created_by)
        .outerjoin(_EDITOR, _EDITOR.c.id == windows.c.updated_by)
        .where(windows.c.deleted_at.is_(None))
    )


def _has_attachment(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return exists().where(window_attachments.c.window_id == windows.c.id, *conditions)


def _devices_of(scope: SiteScope) -> Select[tuple[UUID]]:
    return select(devices.c.id).where(scope.clause(devices.c.site_id))


def _filters_of(scope: SiteScope) -> Select[tuple[int]]:
    return select(_F.c.id).where(_F.c.deleted_at.is_(None), text(IS_SEEN).bindparams(sites=scope.as_list()))


def _is_visible(scope: SiteScope) -> ColumnElement[bool]:
    if scope.site_ids is None:
        return true()
    one = window_attachments.c
    seen = or_(
        one.kind == "global",
        scope.clause(one.site_id),
        one.device_id.in_(_devices_of(scope)),
        one.job_id.in_(jobs.visible_ids(scope)),
        one.filter_id.in_(_filters_of(scope)),
    )
    return _has_attachment(seen)


async def find(
    tx: AsyncConnection, scope: SiteScope, window_id: int, *, for_update: bool = False
) -> SavedWindow | None:
    """One visible window; None when there is none, or none for this reader."""
    query = _query().where(windows.c.id == window_id, _is_visible(scope))
    if for_update:
        query = query.with_for_update(of=windows)
    row = (await tx.execute(query)).one_or_none()
    return (await _with_attachments(tx, scope, [row]))[0] if row is not None else None


async def existing(tx: AsyncConnection, scope: SiteScope, ids: Collection[int]) -> set[int]:
    """Of these windows, those that the reader sees."""
    query = select(windows.c.id).where(windows.c.id.in_(sorted(ids)), _is_visible(scope))
    return set((await tx.execute(query)).scalars())


async def list_page(
    tx: AsyncConnection, scope: SiteScope, wanted: WindowFilter, *, limit: int, cursor: str | None
) -> Page[SavedWindow]:
    """By name."""
    name = func.lower(windows.c.name)
    query = _query().where(_is_visible(scope), *_conditions(scope, wanted))
    if cursor is not None:
        after, last_id = decode_cursor(cursor, (str, int))
        query = query.where(tuple_(name, windows.c.id) > tuple_(literal(after), literal(last_id, BigInteger)))
    rows = (await tx.execute(query.order_by(name, windows.c.id).limit(limit + 1))).all()
    page = page_of(rows, limit, lambda row: (row.sort_name, row.id))
    return Page(await _with_attachments(tx, scope, page.items), page.next_cursor)


def _conditions(scope: SiteScope, wanted: WindowFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.q:
        conditions.append(windows.c.name.icontains(wanted.q, autoescape=True))
    if wanted.kind is not None:
        conditions.append(windows.c.kind == wanted.kind)
    if wanted.enabled is not None:
        conditions.append(windows.c.enabled == wanted.enabled)
    return conditions + [
        _has_attachment(or_(window_attachments.c.kind == "global", one)) for one in _covers(scope, wanted)
    ]


def _covers(scope: SiteScope, wanted: WindowFilter) -> Iterator[ColumnElement[bool]]:
    """Attachments to what was asked for. What the reader does not see is as if it did not exist, its site too."""
    one = window_attachments.c
    if wanted.site_id is not None:
        yield and_(one.site_id == cast(wanted.site_id, BigInteger), scope.clause(one.site_id))
    if wanted.job_id is not None:
        its_jobs = true() if scope.site_ids is None else one.job_id.in_(jobs.visible_ids(scope))
        yield and_(one.job_id == cast(wanted.job_id, BigInteger), its_jobs)
    if wanted.device_id is not None:
        its = devices.c.id == wanted.device_id
        seen = exists().where(its, scope.clause(devices.c.site_id))
        its_site = select(devices.c.site_id).where(its).scalar_subquery()
        yield and_(or_(one.device_id == wanted.device_id, one.site_id == its_site), seen)


async def _with_attachments(tx: AsyncConnection, scope: SiteScope, rows: Sequence[Row[Any]]) -> list[SavedWindow]:
    found = {row.id: SavedWindow(**{name: getattr(row, name) for name in _PLAIN}) for row in rows}
    named: dict[int, list[NamedAttachment]] = {window_id: [] for window_id in found}
    spanning = set()
    for row in await tx.execute(_attachments_of(scope, list(found))) if found else ():
        if not row.is_inside:
            spanning.add(row.window_id)
        if row.is_seen:
            attachment = Attachment(row.kind, row.site_id or row.job_id or row.filter_id or row.device_id)
            named[row.window_id].append(NamedAttachment(attachment, row.its_name))
    return [
        replace(one, attachments=tuple(named[one.id]), spans_other_sites=one.id in spanning) for one in found.values()
    ]


def _attachments_of(scope: SiteScope, window_ids: Sequence[int]) -> Select[Any]:
    """The attachments in order: may the reader see each, and does it lie in the reader's sites wholly?"""
    one = window_attachments.c
    is_seen = case(
        (one.kind == "global", true()),
        (one.kind == "site", scope.clause(one.site_id)),
        (one.kind == "device", scope.clause(devices.c.site_id)),
        (one.kind == "filter", true() if scope.site_ids is None else one.filter_id.in_(_filters_of(scope))),
        else_=true() if scope.site_ids is None else one.job_id.in_(jobs.visible_ids(scope)),
    )
    is_inside = case(
        (one.kind == "global", true() if scope.site_ids is None else false()),
        (one.kind == "job", and_(is_seen, ~_spans_other_sites(scope, one.job_id))),
        (one.kind == "filter", and_(is_seen, _filter_is_inside(scope))),
        else_=is_seen,
    )
    return (
        select(
            *(one.window_id, one.kind, one.site_id, one.device_id, one.job_id, one.filter_id),
            func.coalesce(sites.c.name, devices.c.hostname, job_table.c.name, _F.c.name).label("its_name"),
            func.coalesce(is_seen, false()).label("is_seen"),
            func.coalesce(is_inside, false()).label("is_inside"),
        )
        .select_from(window_attachments)
        .outerjoin(sites, sites.c.id == one.site_id)
        .outerjoin(devices, devices.c.id == one.device_id)
        .outerjoin(job_table, job_table.c.id == one.job_id)
        .outerjoin(_F, _F.c.id == one.filter_id)
        .join(windows, windows.c.id == one.window_id)
        .where(one.window_id == any_(literal(list(window_ids), ARRAY(BigInteger))), job_table.c.deleted_at.is_(None))
        .order_by(one.window_id, one.position)
    )


def _filter_is_inside(scope: SiteScope) -> ColumnElement[bool]:
    """Whether what a window covers by a filter lies in the scope: both reach no further than who saved them, and some filters less."""
    if scope.site_ids is None:
        return true()
    mine = literal(sorted(scope.site_ids), ARRAY(BigInteger))
    return or_(
        windows.c.allowed_site_ids.contained_by(mine),
        _F.c.allowed_site_ids.contained_by(mine),
        and_(_F.c.site_mode == "only", _F.c.site_ids.contained_by(mine)),
    )


def _spans_other_sites(scope: SiteScope, job_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether a job reaches beyond the scope."""
    if scope.site_ids is None:
        return false()
    return exists().where(job_reach.c.job_id == job_id, ~scope.clause(job_reach.c.site_id))


# --- what a window may be attached to -----------------------------------------------------------------------------------


async def usable_devices(tx: AsyncConnection, scope: SiteScope, ids: Collection[UUID]) -> frozenset[UUID]:
    """Of these devices, those that exist in the scope and are not revoked."""
    wanted = devices.c.id == any_(literal(list(ids), ARRAY(Uuid)))
    query = select(devices.c.id).where(wanted, devices.c.status != "revoked", scope.clause(devices.c.site_id))
    return frozenset((await tx.execute(query)).scalars())


async def usable_jobs(tx: AsyncConnection, scope: SiteScope, ids: Collection[int]) -> dict[int, bool]:
    """Of these jobs, those that are visible in the scope, and whether all their devices lie in it."""
    wanted = job_table.c.id == any_(literal(list(ids), ARRAY(BigInteger)))
    spans = _spans_other_sites(scope, job_table.c.id).label("spans")
    query = select(job_table.c.id, spans).where(wanted, job_table.c.id.in_(jobs.visible_ids(scope)))
    return {row.id: not row.spans for row in await tx.execute(query)}


async def using_filter(tx: AsyncConnection, scope: SiteScope, filter_id: int) -> list[Use]:
    """The windows that are attached to a filter."""
    query = (
        select(windows.c.id, windows.c.name, _is_visible(scope).label("is_visible"))
        .where(
            windows.c.deleted_at.is_(None),
            _has_attachment(window_attachments.c.filter_id == literal(filter_id, BigInteger)),
        )
        .order_by(func.lower(windows.c.name), windows.c.id)
    )
    return [Use(row.id, row.name, row.is_visible) for row in await tx.execute(query)]


async def hold_saving(tx: AsyncConnection) -> None:
    """Whoever saves a window waits here for whoever does: so that what is counted and looked for before can be trusted."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('windows', 0))"))


async def is_named(tx: AsyncConnection, scope: SiteScope, name: str, *, other_than: int | None) -> bool:
    """Whether another window that is visible in the scope has this name; case does not count."""
    same = func.lower(windows.c.name) == func.lower(name)
    query = select(windows.c.id).where(same, windows.c.deleted_at.is_(None), windows.c.id != (other_than or 0))
    return (await tx.execute(query.where(_is_visible(scope)).limit(1))).first() is not None


async def count_saved(tx: AsyncConnection, scope: SiteScope, *, other_than: int | None) -> tuple[int, int]:
    """How many windows, with how many spans, were saved by those who see some of the scope's sites; or every site, as it does."""
    mine = scope.as_list()
    reach = windows.c.allowed_site_ids
    of_mine = reach.is_(None) if mine is None else reach.overlap(literal(mine, ARRAY(BigInteger)))
    spans = func.coalesce(func.sum(func.jsonb_array_length(windows.c.spans)), 0)
    query = select(func.count(), spans).where(
        of_mine, windows.c.deleted_at.is_(None), windows.c.id != (other_than or 0)
    )
    row = (await tx.execute(query)).one()
    return int(row[0]), int(row[1])


# --- writing ------------------------------------------------------------------------------------------------------------


async def insert_window(tx: AsyncConnection, values: Mapping[str, Any]) -> int:
    window_id: int = (await tx.execute(insert(windows).values(**values).returning(windows.c.id))).scalar_one()
    return window_id


async def update_window(tx: AsyncConnection, window_id: int, values: Mapping[str, Any]) -> None:
    await tx.execute(update(windows).where(windows.c.id == window_id).values(**values))


async def replace_attachments(tx: AsyncConnection, window_id: int, attachments: Sequence[Attachment]) -> None:
    await tx.execute(delete(window_attachments).where(window_attachments.c.window_id == window_id))
    rows = [
        {
            "window_id": window_id,
            "position": position,
            "kind": one.kind,
            **{f"{kind}_id": one.id if one.kind == kind else None for kind in ("site", "device", "job", "filter")},
        }
        for position, one in enumerate(attachments)
    ]
    if rows:
        await tx.execute(insert(window_attachments), rows)


_SITES_REACHED = text("""
SELECT s.id FROM sites s WHERE EXISTS (SELECT FROM window_attachments a WHERE a.window_id = :id AND a.kind = 'global')
UNION SELECT a.site_id FROM window_attachments a WHERE a.window_id = :id AND a.kind = 'site'
UNION SELECT d.site_id FROM window_attachments a JOIN devices d ON d.id = a.device_id WHERE a.window_id = :id
UNION SELECT nullif(r.site_id, 0) FROM window_attachments a JOIN job_reach r ON r.job_id = a.job_id WHERE a.window_id = :id
UNION SELECT s.id FROM window_attachments a JOIN device_filters f ON f.id = a.filter_id
  JOIN sites s ON (f.allowed_site_ids IS NULL OR s.id = ANY(f.allowed_site_ids))
    AND CASE f.site_mode WHEN 'only' THEN s.id = ANY(f.site_ids) WHEN 'except' THEN s.id <> ALL(f.site_ids) ELSE true END
  WHERE a.window_id = :id
""")


async def sites_reached(tx: AsyncConnection, window_id: int) -> frozenset[int | None]:
    """The sites of everything that a window is attached to; None for devices without one."""
    return frozenset((await tx.execute(_SITES_REACHED, {"id": window_id})).scalars())


# --- for previews and checks --------------------------------------------------------------------------------------------


async def zones_of_sites(tx: AsyncConnection, scope: SiteScope, *, limit: int) -> list[str]:
    """The zones of the sites in the scope, each once, by name."""
    query = select(sites.c.timezone).where(scope.clause(sites.c.id)).distinct().order_by(sites.c.timezone)
    return list((await tx.execute(query.limit(limit))).scalars())


@dataclass(frozen=True, slots=True)
class Placed:
    """A device with the zone of its site."""

    device_id: UUID
    hostname: str
    timezone: str


_OF_DEVICE = text("""
SELECT d.id, d.hostname, coalesce(x.timezone, 'UTC') FROM devices d LEFT JOIN sites x ON x.id = d.site_id
WHERE d.id = :device_id AND (CAST(:sites AS bigint[]) IS NULL OR d.site_id = ANY(:sites))
""")
_OF_JOB = text(f"""
WITH {MEMBERS}
SELECT d.id, d.hostname, coalesce(x.timezone, 'UTC')
FROM member m JOIN devices d ON d.id = m.device_id LEFT JOIN sites x ON x.id = d.site_id
WHERE CAST(:sites AS bigint[]) IS NULL OR d.site_id = ANY(:sites) ORDER BY d.hostname, d.id
""")


async def placed_devices(
    tx: AsyncConnection, scope: SiteScope, *, device_id: UUID | None, job_id: int | None, now: datetime
) -> list[Placed]:
    """One device of the scope, or those that a job would run on now."""
    sites_seen = {"sites": scope.as_list()}
    if device_id is not None:
        rows = await tx.execute(_OF_DEVICE, {"device_id": device_id, **sites_seen})
    else:
        rows = await tx.execute(_OF_JOB, {"job_ids": [job_id], "now": now, **sites_seen})
    return [Placed(*row) for row in rows]

"""The SQL of device filters: reading them as one reader sees them, and writing them. Decides nothing."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Row,
    Select,
    String,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.core.problems import Problem
from watchbill.filters.tables import device_filter_revisions as revisions
from watchbill.filters.tables import device_filters as filters
from watchbill.filters.values import FilterQuery, FilterRevision, Use
from watchbill.filters.visible import IS_SEEN
from watchbill.identity.actor import SiteScope
from watchbill.identity.tables import operators
from watchbill.kit.errors import InvalidError
from watchbill.kit.paging import Page, decode_cursor, page_of

_CREATOR, _EDITOR = operators.alias("creator"), operators.alias("editor")
_F = filters.alias("f")
_PLAIN = (
    *("id", "name", "description", "criteria", "site_mode", "site_ids", "revision", "allowed_site_ids", "archived_at"),
    *("created_at", "updated_at"),
)
_SEEN = text(IS_SEEN)

#: Finding a name free and taking it is one step.
_HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended('device_filters', 0))")


def _query(scope: SiteScope) -> Select[Any]:
    return (
        select(
            *(_F.c[name] for name in _PLAIN),
            func.lower(_F.c.name).label("sort_name"),
            _CREATOR.c.username.label("created_by"),
            _EDITOR.c.username.label("updated_by"),
        )
        .select_from(_F)
        .outerjoin(_CREATOR, _CREATOR.c.id == _F.c.created_by)
        .outerjoin(_EDITOR, _EDITOR.c.id == _F.c.updated_by)
        .where(_F.c.deleted_at.is_(None), _SEEN.bindparams(sites=scope.as_list()))
    )


async def find(tx: AsyncConnection, scope: SiteScope, filter_id: int, *, for_update: bool = False) -> Row[Any] | None:
    """One visible filter; None when there is none, or none for this reader."""
    query = _query(scope).where(_F.c.id == literal(filter_id, BigInteger))
    if for_update:
        query = query.with_for_update(of=_F)
    found: Row[Any] | None = (await tx.execute(query)).one_or_none()
    return found


async def list_page(
    tx: AsyncConnection, scope: SiteScope, wanted: FilterQuery, *, limit: int, cursor: str | None
) -> Page[Row[Any]]:
    query = _query(scope)
    if wanted.q:
        query = query.where(_F.c.name.icontains(wanted.q, autoescape=True))
    if wanted.archived is not None:
        is_archived = _F.c.archived_at.is_not(None)
        query = query.where(is_archived if wanted.archived else ~is_archived)
    key: ColumnElement[Any] = _F.c.updated_at if wanted.sort.is_by_time else func.lower(_F.c.name)
    if cursor is not None:
        after, last_id = decode_cursor(cursor, (str, int))
        value = _time(after) if wanted.sort.is_by_time else literal(after, String)
        place, last = tuple_(key, _F.c.id), tuple_(value, literal(last_id, BigInteger))
        query = query.where(place < last if wanted.sort.is_down else place > last)
    order = (key.desc(), _F.c.id.desc()) if wanted.sort.is_down else (key, _F.c.id)
    rows = (await tx.execute(query.order_by(*order).limit(limit + 1))).all()
    return page_of(rows, limit, lambda row: (_sort_key(row, wanted), row.id))


def _time(text_: object) -> ColumnElement[Any]:
    try:
        return literal(datetime.fromisoformat(str(text_)), DateTime(timezone=True))
    except ValueError:
        problem = Problem("cursor", "invalid", "must be a next_cursor of this list with the same sort")
        raise InvalidError("The cursor does not belong to this list.", problems=[problem]) from None


def _sort_key(row: Row[Any], wanted: FilterQuery) -> str:
    return str(row.updated_at.isoformat() if wanted.sort.is_by_time else row.sort_name)


async def list_revisions(
    tx: AsyncConnection, filter_id: int, *, limit: int, cursor: str | None
) -> Page[FilterRevision]:
    """Newest first."""
    c = revisions.c
    query = (
        select(c.revision, c.definition, operators.c.username, c.changed_at)
        .select_from(revisions)
        .outerjoin(operators, operators.c.id == c.changed_by)
        .where(c.filter_id == literal(filter_id, BigInteger))
    )
    if cursor is not None:
        [before] = decode_cursor(cursor, (int,))
        query = query.where(c.revision < before)
    rows = (await tx.execute(query.order_by(c.revision.desc()).limit(limit + 1))).all()
    return page_of(rows, limit, lambda row: (row.revision,)).map(lambda row: FilterRevision(*row))


async def hold_names(tx: AsyncConnection) -> None:
    """Whoever names a filter waits here for whoever does."""
    await tx.execute(_HOLD)


async def is_named(tx: AsyncConnection, scope: SiteScope, name: str, *, other_than: int | None) -> bool:
    """Whether another filter in use that is visible in the scope has this name; case does not count."""
    query = select(_F.c.id).where(
        func.lower(_F.c.name) == func.lower(name),
        _F.c.archived_at.is_(None),
        _F.c.id != literal(other_than or 0, BigInteger),
        _SEEN.bindparams(sites=scope.as_list()),
    )
    return (await tx.execute(query.limit(1))).first() is not None


# --- writing ------------------------------------------------------------------------------------------------------------


async def insert_filter(tx: AsyncConnection, values: Mapping[str, Any]) -> int:
    filter_id: int = (await tx.execute(insert(filters).values(**values).returning(filters.c.id))).scalar_one()
    return filter_id


async def update_filter(tx: AsyncConnection, filter_id: int, values: Mapping[str, Any]) -> None:
    await tx.execute(update(filters).where(filters.c.id == literal(filter_id, BigInteger)).values(**values))


async def insert_revision(
    tx: AsyncConnection, filter_id: int, revision: int, definition: Mapping[str, Any], *, by: int | None, now: datetime
) -> None:
    values = {"filter_id": filter_id, "revision": revision, "definition": definition, "changed_by": by}
    await tx.execute(insert(revisions).values(**values, changed_at=now))


_SITES_REACHED = text("""
SELECT s.id FROM device_filters f JOIN sites s ON
  (f.allowed_site_ids IS NULL OR s.id = ANY(f.allowed_site_ids))
  AND CASE f.site_mode WHEN 'only' THEN s.id = ANY(f.site_ids) WHEN 'except' THEN s.id <> ALL(f.site_ids) ELSE true END
WHERE f.id = :id
""")


async def sites_reached(tx: AsyncConnection, filter_id: int) -> frozenset[int]:
    """The sites in which it may find a device."""
    return frozenset((await tx.execute(_SITES_REACHED, {"id": filter_id})).scalars())


# --- custom fields ------------------------------------------------------------------------------------------------------

# In criteria as they are kept a key named `field` stands in criteria alone.
_USING_FIELD = text(f"""
SELECT f.id, f.name, {IS_SEEN} AS is_seen FROM device_filters f
WHERE f.deleted_at IS NULL AND jsonb_path_exists(f.criteria, '$.**.field ? (@ == $name)', jsonb_build_object('name', CAST(:field AS text)))
ORDER BY lower(f.name), f.id
""")


async def using_field(tx: AsyncConnection, scope: SiteScope, field: str) -> list[Use]:
    """The filters that ask about a field, archived ones too."""
    rows = await tx.execute(_USING_FIELD, {"field": field, "sites": scope.as_list()})
    return [Use(row.id, row.name, row.is_seen) for row in rows]


# --- an older compiler --------------------------------------------------------------------------------------------------

_STALE = text("""
SELECT id, criteria FROM device_filters WHERE compiler < :compiler AND id > :after ORDER BY id LIMIT :limit FOR UPDATE SKIP LOCKED
""")
_COMPILED = text("""
UPDATE device_filters f SET condition = g.condition, parameters = g.parameters, compiler = :compiler
FROM jsonb_to_recordset(:rows) AS g(id bigint, condition text, parameters jsonb) WHERE f.id = g.id
""").bindparams(bindparam("rows", type_=JSONB))


async def stale(tx: AsyncConnection, compiler: int, *, after: int, limit: int) -> list[tuple[int, Mapping[str, Any]]]:
    """Filters (id, criteria) that an older compiler wrote, held; those that somebody else holds are left to them."""
    rows = await tx.execute(_STALE, {"compiler": compiler, "after": after, "limit": limit})
    return [(row.id, row.criteria) for row in rows]


async def set_compiled(tx: AsyncConnection, compiler: int, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        await tx.execute(_COMPILED, {"compiler": compiler, "rows": list(rows)})

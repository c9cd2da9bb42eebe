"""The SQL of views. What a reader may see of them is part of every statement: their own, and what is shared."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Row,
    Select,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.identity.tables import operators
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.views.tables import views

_PLAIN = ("id", "owner_id", "screen", "name", "query", "columns", "is_shared", "revision", "created_at", "updated_at")
# Whoever saves waits here for the same person's other save: so that a look before it can be trusted.
_HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended('views of ' || CAST(:owner AS text), 0))")


@dataclass(frozen=True, slots=True)
class View:
    """`owner` is a user name. `columns` None = those that the screen shows by itself."""

    id: int
    owner_id: int
    screen: str
    name: str
    query: Mapping[str, Any]
    columns: list[str] | None
    is_shared: bool
    revision: int
    created_at: datetime
    updated_at: datetime
    owner: str


@dataclass(frozen=True, slots=True)
class ViewFilter:
    q: str | None = None
    screen: str | None = None
    #: Only those of one's own, or only those of others.
    mine: bool | None = None


def _query(reader: int | None) -> Select[Any]:
    return (
        select(
            *[views.c[name] for name in _PLAIN],
            operators.c.username.label("owner"),
            func.lower(views.c.name).label("sort_name"),
        )
        .join(operators, operators.c.id == views.c.owner_id)
        .where(_is_visible(reader))
    )


def _is_visible(reader: int | None) -> ColumnElement[bool]:
    return or_(views.c.is_shared, views.c.owner_id == reader)


def _view(row: Row[Any]) -> View:
    return View(**{name: getattr(row, name) for name in View.__slots__})


async def find(tx: AsyncConnection, reader: int | None, view_id: int, *, for_update: bool = False) -> View | None:
    query = _query(reader).where(views.c.id == view_id)
    row = (await tx.execute(query.with_for_update(of=views) if for_update else query)).one_or_none()
    return _view(row) if row is not None else None


async def list_page(
    tx: AsyncConnection, reader: int | None, wanted: ViewFilter, *, limit: int, cursor: str | None
) -> Page[View]:
    """By name."""
    name = func.lower(views.c.name)
    query = _query(reader)
    if wanted.q:
        query = query.where(views.c.name.icontains(wanted.q, autoescape=True))
    if wanted.screen is not None:
        query = query.where(views.c.screen == wanted.screen)
    if wanted.mine is not None:
        query = query.where((views.c.owner_id == reader) == wanted.mine)
    if cursor is not None:
        after, last_id = decode_cursor(cursor, (str, int))
        query = query.where(tuple_(name, views.c.id) > tuple_(literal(after), literal(last_id, BigInteger)))
    rows = (await tx.execute(query.order_by(name, views.c.id).limit(limit + 1))).all()
    return page_of(rows, limit, lambda row: (row.sort_name, row.id)).map(_view)


async def hold_saving(tx: AsyncConnection, owner_id: int) -> None:
    await tx.execute(_HOLD, {"owner": owner_id})


async def is_named(tx: AsyncConnection, owner_id: int, screen: str, name: str, *, other_than: int | None) -> bool:
    """Whether another view of the same person for the same screen has this name; case does not count."""
    same = exists().where(
        views.c.owner_id == owner_id,
        views.c.screen == screen,
        func.lower(views.c.name) == func.lower(name),
        views.c.id.is_distinct_from(other_than),
    )
    found: bool = (await tx.execute(select(same))).scalar_one()
    return found


async def count(tx: AsyncConnection, owner_id: int) -> int:
    query = select(func.count()).select_from(views).where(views.c.owner_id == owner_id)
    number: int = (await tx.execute(query)).scalar_one()
    return number


async def insert_view(tx: AsyncConnection, values: Mapping[str, Any]) -> int:
    view_id: int = (await tx.execute(insert(views).values(**values).returning(views.c.id))).scalar_one()
    return view_id


async def update_view(tx: AsyncConnection, view_id: int, values: Mapping[str, Any]) -> None:
    await tx.execute(update(views).where(views.c.id == view_id).values(**values))


async def delete_view(tx: AsyncConnection, view_id: int) -> None:
    await tx.execute(delete(views).where(views.c.id == view_id))

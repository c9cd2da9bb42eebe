"""Installed software of one device, read page by page. Written by `inventory` alone."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import literal, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.filter_text import fold
from watchbill.devices.tables import device_software
from watchbill.kit.paging import Page, decode_cursor, page_of


@dataclass(frozen=True, slots=True)
class Software:
    """One installed thing, and which database of the device knows it."""

    name: str
    version: str
    source: str


async def list_software(
    tx: AsyncConnection, device_id: UUID, *, q: str | None, limit: int, cursor: str | None
) -> Page[Software]:
    """By name, case aside; `q`: part of it. The caller has made sure that the device may be seen."""
    c = device_software.c
    order = (c.name_key, c.source, c.name, c.version)
    query = select(c.name, c.version, c.source).where(c.device_id == device_id).order_by(*order).limit(limit + 1)
    if q:
        query = query.where(c.name_key.contains(fold(q), autoescape=True))
    if cursor is not None:
        # A key that is missing counts as the first of all.
        keys = [literal(key or "") for key in decode_cursor(cursor, (str,) * len(order))]
        query = query.where(tuple_(*order) > tuple_(*keys))
    rows = [Software(row.name, row.version, row.source) for row in await tx.execute(query)]
    return page_of(rows, limit, lambda one: (fold(one.name), one.source, one.name, one.version))

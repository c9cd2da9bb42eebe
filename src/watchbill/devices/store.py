"""SQL of devices: reading them within a site scope, and their few writes. Presence and inventory have their own modules."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    Select,
    Uuid,
    any_,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.devices.tables import device_presence, devices
from watchbill.identity import SiteScope
from watchbill.sites.tables import sites


class DeviceStatus(StrEnum):
    ACTIVE = "active"
    DISABLED = "disabled"
    REVOKED = "revoked"


class DeviceSort(StrEnum):
    HOSTNAME = "hostname"
    HOSTNAME_DOWN = "-hostname"
    LAST_SEEN = "last_seen"
    LAST_SEEN_DOWN = "-last_seen"

    @property
    def is_down(self) -> bool:
        return self.value.startswith("-")

    @property
    def is_by_time(self) -> bool:
        return self.value.endswith("last_seen")


@dataclass(frozen=True, slots=True)
class Device:
    """An inventory entry with its presence. `interpreters` None = not told yet; `timezone` None = its site's counts."""

    id: UUID
    site_id: int | None
    site_name: str | None
    hostname: str
    description: str
    status: DeviceStatus
    os_family: str
    os_name: str
    os_version: str
    arch: str
    agent_version: str
    interpreters: tuple[str, ...] | None
    timezone: str | None
    inventory_at: datetime | None
    online: bool
    connected_at: datetime | None
    last_seen_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices: every field that is given must fit. Revoked ones are listed only when asked for."""

    q: str | None = None
    site_id: int | None = None
    os_family: str | None = None
    online: bool | None = None
    status: DeviceStatus | None = None

    def clauses(self) -> list[ColumnElement[bool]]:
        c = devices.c
        found = [c.status == self.status.value if self.status else c.status != DeviceStatus.REVOKED.value]
        if self.q:
            # Lowered by the database, as the column was: Python knows other rules for some letters.
            pattern = "%" + re.sub(r"([%_/])", r"/\1", self.q) + "%"
            found.append(c.search.like(func.lower(literal(pattern)), escape="/"))
        if self.site_id is not None:
            found.append(c.site_id == self.site_id)
        if self.os_family is not None:
            found.append(c.os_family == self.os_family)
        if self.online is not None:
            is_online = device_presence.c.gateway_id.is_not(None)
            found.append(is_online if self.online else device_presence.c.gateway_id.is_(None))
        return found


_COLUMNS = [
    devices.c[name]
    for name in (
        "id",
        "site_id",
        "hostname",
        "description",
        "status",
        "os_family",
        "os_name",
        "os_version",
        "arch",
        "agent_version",
        "interpreters",
        "timezone",
        "inventory_at",
        "created_at",
        "updated_at",
    )
]
#: A device that was never seen sorts as if seen before everything.
_NEVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
# One site of two hundred and all of them need different plans.
_PLAN_FOR_VALUES = text("SET LOCAL plan_cache_mode = force_custom_plan")

Place = tuple[str | datetime, UUID]


def _devices(*more: Any) -> Select[Any]:
    return (
        select(
            *_COLUMNS,
            sites.c.name.label("site_name"),
            device_presence.c.gateway_id.is_not(None).label("online"),
            device_presence.c.connected_at,
            device_presence.c.last_seen_at,
            *more,
        )
        .outerjoin(device_presence, device_presence.c.device_id == devices.c.id)
        .outerjoin(sites, sites.c.id == devices.c.site_id)
    )


def _device(row: RowMapping) -> Device:
    values = {name: row[name] for name in Device.__dataclass_fields__}
    told = row["interpreters"]
    return Device(
        **(values | {"status": DeviceStatus(row["status"]), "interpreters": None if told is None else tuple(told)})
    )


async def find(tx: AsyncConnection, device_id: UUID, scope: SiteScope) -> tuple[Device, dict[str, Any]] | None:
    """A visible device with its inventory."""
    query = _devices(devices.c.inventory).where(devices.c.id == device_id, scope.clause(devices.c.site_id))
    row = (await tx.execute(query)).mappings().one_or_none()
    return (_device(row), row["inventory"]) if row else None


async def list_devices(
    tx: AsyncConnection,
    scope: SiteScope,
    wanted: DeviceFilter,
    sort: DeviceSort,
    *,
    after: Place | None,
    limit: int,
) -> list[Device]:
    await tx.execute(_PLAN_FOR_VALUES)
    found: list[Device] = []
    for query in page_queries(scope, wanted, sort, after):
        if len(found) < limit:
            rows = (await tx.execute(query.limit(limit - len(found)))).mappings()
            found += [_device(row) for row in rows]
    return found


def page_queries(scope: SiteScope, wanted: DeviceFilter, sort: DeviceSort, after: Place | None) -> list[Select[Any]]:
    """What to read one after the other until a page is full, each in the order of an index."""
    query = _devices().where(scope.clause(devices.c.site_id), *wanted.clauses())
    if not sort.is_by_time:
        place = None if after is None else (func.lower(literal(after[0])), after[1])
        return [_in_order(query, [func.lower(devices.c.hostname), devices.c.id], place, is_down=sort.is_down)]
    was_never = after is not None and after[0] == _NEVER
    seen = _in_order(
        query.where(device_presence.c.last_seen_at.is_not(None)),
        [device_presence.c.last_seen_at, device_presence.c.device_id],
        None if after is None or was_never else (literal(after[0]), after[1]),
        is_down=sort.is_down,
    )
    never = query.where(device_presence.c.device_id.is_(None))
    if after is not None and was_never:
        never = never.where(devices.c.id < after[1] if sort.is_down else devices.c.id > after[1])
    never = never.order_by(devices.c.id.desc() if sort.is_down else devices.c.id)
    if sort.is_down:
        return [never] if was_never else [seen, never]
    return [never, seen] if after is None or was_never else [seen]


def _in_order(
    query: Select[Any], keys: list[ColumnElement[Any]], after: tuple[ColumnElement[Any], UUID] | None, *, is_down: bool
) -> Select[Any]:
    if after is not None:
        here, place = tuple_(*keys), tuple_(after[0], literal(after[1], Uuid()))
        query = query.where(here < place if is_down else here > place)
    return query.order_by(*(key.desc() if is_down else key for key in keys))


async def count_by_site(tx: AsyncConnection, site_ids: Collection[int]) -> dict[int, tuple[int, int]]:
    """Site -> how many devices that are not revoked, and how many of them are online."""
    query = (
        select(devices.c.site_id, func.count(), func.count(device_presence.c.gateway_id))
        .outerjoin(device_presence, device_presence.c.device_id == devices.c.id)
        .where(devices.c.site_id.in_(sorted(site_ids)), devices.c.status != DeviceStatus.REVOKED.value)
        .group_by(devices.c.site_id)
    )
    return {site_id: (all_, online) for site_id, all_, online in await tx.execute(query)}


async def insert_device(tx: AsyncConnection, values: Mapping[str, object]) -> None:
    await tx.execute(insert(devices).values(values))


async def update_device(tx: AsyncConnection, device_id: UUID, values: Mapping[str, object]) -> None:
    await tx.execute(update(devices).where(devices.c.id == device_id).values(values))


async def credentials_of(tx: AsyncConnection, device_id: UUID) -> tuple[bytes, DeviceStatus] | None:
    """The public key and the status: what a device's proof is checked against."""
    query = select(devices.c.public_key, devices.c.status).where(devices.c.id == device_id)
    row = (await tx.execute(query)).one_or_none()
    return (row.public_key, DeviceStatus(row.status)) if row else None


async def lock(tx: AsyncConnection, device_ids: Sequence[UUID]) -> None:
    """Hold these rows until the end of the transaction, always in the same order, so that two batches cannot deadlock."""
    wanted = literal(list(device_ids), ARRAY(Uuid()))
    query = select(devices.c.id).where(devices.c.id == any_(wanted)).order_by(devices.c.id)
    await tx.execute(query.with_for_update(key_share=True))

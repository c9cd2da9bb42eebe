"""SQL of devices: reading them within a site scope, and their few writes. What else is known of them has modules of its own."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    RowMapping,
    Select,
    Text,
    Uuid,
    any_,
    cast,
    column,
    exists,
    func,
    insert,
    literal,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.custom_field_rules import FieldType
from watchbill.core.filter_text import fold
from watchbill.devices.tables import custom_fields, device_custom_values, device_presence, device_tags, devices
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
class CustomValue:
    """The value of one custom field on one device, as JSON has it: dates are texts."""

    type: FieldType
    value: str | float | bool
    set_by: str
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Device:
    """An inventory entry with its presence. `interpreters` None = not told yet; `timezone` None = its site's counts.

    Other facts that are None are not known. `custom_values` by the name of the field.
    """

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
    device_type: str | None
    agent_branch: str | None
    domain: str | None
    last_user: str | None
    internal_addresses: tuple[str, ...] | None
    external_address: str | None
    cpu_count: int | None
    ram_bytes: int | None
    disk_free_bytes: int | None
    tags: tuple[str, ...]
    custom_values: Mapping[str, CustomValue]
    inventory_at: datetime | None
    inventory_revision: int
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
    tag: str | None = None
    #: Only members of this device filter now. Whether it may be asked is judged by whoever asks.
    members_of: int | None = None
    now: datetime | None = None

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
        if self.tag is not None:
            tags = device_tags.c
            found.append(exists().where(tags.device_id == c.id, tags.tag == fold(self.tag.strip())))
        if self.members_of is not None:
            members = (
                func.filter_members(literal(self.members_of, BigInteger), self.now)
                .table_valued(column("device_id", Uuid()))
                .render_derived()
            )
            found.append(c.id.in_(select(members.c.device_id)))
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
        "device_type",
        "agent_branch",
        "domain",
        "last_user",
        "cpu_count",
        "ram_bytes",
        "disk_free_bytes",
        "inventory_at",
        "inventory_revision",
        "created_at",
        "updated_at",
    )
]
#: A device that was never seen sorts as if seen before everything.
_NEVER = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
# One site of two hundred and all of them need different plans.
_PLAN_FOR_VALUES = text("SET LOCAL plan_cache_mode = force_custom_plan")

Place = tuple[str | datetime, UUID]


#: As texts: what an address is made of is nobody's business above.
_ADDRESSES = (
    cast(devices.c.internal_addresses, ARRAY(Text)).label("internal_addresses"),
    func.host(devices.c.external_address).label("external_address"),
)
_TAGS = (
    select(func.array_agg(aggregate_order_by(device_tags.c.tag, device_tags.c.tag)))
    .where(device_tags.c.device_id == devices.c.id)
    .scalar_subquery()
    .label("tags")
)
_V = device_custom_values.c
_VALUES = (
    select(
        func.jsonb_object_agg(
            custom_fields.c.name,
            func.jsonb_build_object(
                *("type", custom_fields.c.type, "set_by", _V.set_by, "set_at", _V.set_at),
                "value",
                func.coalesce(
                    *(func.to_jsonb(c) for c in (_V.text_value, _V.number_value, _V.boolean_value, _V.date_value))
                ),
            ),
        )
    )
    .where(_V.device_id == devices.c.id, custom_fields.c.id == _V.field_id)
    .scalar_subquery()
    .label("custom_values")
)


def _devices(*more: Any) -> Select[Any]:
    return (
        select(
            *_COLUMNS,
            *_ADDRESSES,
            _TAGS,
            _VALUES,
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
    told, addresses = row["interpreters"], row["internal_addresses"]
    shaped = {
        "status": DeviceStatus(row["status"]),
        "interpreters": None if told is None else tuple(told),
        "internal_addresses": None if addresses is None else tuple(one.partition("/")[0] for one in addresses),
        "tags": tuple(row["tags"] or ()),
        "custom_values": {name: _custom_value(one) for name, one in sorted((row["custom_values"] or {}).items())},
    }
    return Device(**(values | shaped))


def _custom_value(raw: Mapping[str, Any]) -> CustomValue:
    set_at = datetime.fromisoformat(raw["set_at"]).astimezone(UTC)
    return CustomValue(FieldType(raw["type"]), raw["value"], raw["set_by"], set_at)


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


@dataclass(frozen=True, slots=True)
class Seen:
    """What must be known of a device that is changed among others."""

    hostname: str
    site_id: int | None
    status: DeviceStatus


async def visible(tx: AsyncConnection, device_ids: Sequence[UUID], scope: SiteScope) -> dict[UUID, Seen]:
    """Those of these devices that are in the scope."""
    wanted = literal(list(device_ids), ARRAY(Uuid()))
    query = select(devices.c.id, devices.c.hostname, devices.c.site_id, devices.c.status)
    rows = await tx.execute(query.where(devices.c.id == any_(wanted), scope.clause(devices.c.site_id)))
    return {row.id: Seen(row.hostname, row.site_id, DeviceStatus(row.status)) for row in rows}


async def count_with_value(tx: AsyncConnection, field_id: int, scope: SiteScope) -> int:
    """How many devices of the scope have a value for a custom field."""
    query = select(func.count()).select_from(device_custom_values.join(devices, devices.c.id == _V.device_id))
    number = await tx.execute(query.where(_V.field_id == field_id, scope.clause(devices.c.site_id)))
    return int(number.scalar_one())


async def insert_device(tx: AsyncConnection, values: Mapping[str, object]) -> None:
    await tx.execute(insert(devices).values(values))


async def update_device(tx: AsyncConnection, device_id: UUID, values: Mapping[str, object]) -> None:
    """Write these values; filters see them, so the revision grows."""
    fresh = {**values, "inventory_revision": devices.c.inventory_revision + 1}
    await tx.execute(update(devices).where(devices.c.id == device_id).values(fresh))


async def grow_revisions(tx: AsyncConnection, device_ids: Collection[UUID], now: datetime) -> None:
    """Something beside their rows changed that filters can see: tags, custom values."""
    fresh = {"inventory_revision": devices.c.inventory_revision + 1, "updated_at": now}
    wanted = literal(list(device_ids), ARRAY(Uuid()))
    await tx.execute(update(devices).where(devices.c.id == any_(wanted)).values(fresh))


async def credentials_of(tx: AsyncConnection, device_id: UUID) -> tuple[bytes, DeviceStatus] | None:
    """The public key and the status: what a device's proof is checked against."""
    query = select(devices.c.public_key, devices.c.status).where(devices.c.id == device_id)
    row = (await tx.execute(query)).one_or_none()
    return (row.public_key, DeviceStatus(row.status)) if row else None


async def set_sealing_key(tx: AsyncConnection, device_id: UUID, key: bytes | None) -> None:
    """What secrets for this device are sealed to, as its agent has just told; None = this agent can open none."""
    is_other = devices.c.sealing_key.is_distinct_from(key)
    await tx.execute(update(devices).where(devices.c.id == device_id, is_other).values(sealing_key=key))


async def lock(tx: AsyncConnection, device_ids: Sequence[UUID]) -> None:
    """Hold these rows until the end of the transaction, always in the same order, so that two batches cannot deadlock."""
    wanted = literal(list(device_ids), ARRAY(Uuid()))
    query = select(devices.c.id).where(devices.c.id == any_(wanted)).order_by(devices.c.id)
    await tx.execute(query.with_for_update(key_share=True))

"""What operators do with devices, and what enrolment does: list, look at, describe, move, disable, revoke, add."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill import sites
from watchbill.core.problems import Problem
from watchbill.devices import custom_fields, custom_values, software, store, tags
from watchbill.devices.report import cached_version_key
from watchbill.devices.software import Software
from watchbill.devices.store import Device, DeviceFilter, DeviceSort, DeviceStatus, Seen
from watchbill.identity import Actor, Permission, audit
from watchbill.kit import db
from watchbill.kit.errors import ConflictError, InvalidError, NotFoundError
from watchbill.kit.paging import Page, decode_cursor, page_of

#: NOTIFY with a device's id when it may no longer be connected: its gateway closes the socket.
REFUSED_CHANNEL = "watchbill_device_refused"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LAST_MICROSECOND = 250_000_000_000_000_000


@dataclass(frozen=True, slots=True)
class DeviceChange:
    """What to change of a device; None leaves a field as it is."""

    description: str | None = None
    site_id: int | None = None


@dataclass(frozen=True, slots=True)
class NewDevice:
    """An approved device, as it described itself."""

    site_id: int
    hostname: str
    public_key: bytes
    os_family: str
    os_name: str
    os_version: str
    arch: str
    agent_version: str


async def list_devices(
    tx: AsyncConnection,
    actor: Actor,
    wanted: DeviceFilter,
    *,
    sort: DeviceSort = DeviceSort.HOSTNAME,
    limit: int,
    cursor: str | None = None,
) -> Page[Device]:
    actor.require(Permission.READ)
    after = None if cursor is None else _after(cursor, sort)
    rows = await store.list_devices(tx, actor.scope, wanted, sort, after=after, limit=limit + 1)
    return page_of(rows, limit, lambda device: (sort.value, _key(device, sort), str(device.id)))


def _key(device: Device, sort: DeviceSort) -> str | int:
    if not sort.is_by_time:
        return device.hostname
    return ((device.last_seen_at or _EPOCH) - _EPOCH) // _MICROSECOND


def _after(cursor: str, sort: DeviceSort) -> tuple[str | datetime, UUID]:
    kind = int if sort.is_by_time else str
    named, key, device_id = decode_cursor(cursor, (str, kind, str))
    try:
        place = UUID(str(device_id))
    except ValueError:
        named = None
    if named != sort.value or key is None or (isinstance(key, int) and not 0 <= key < _LAST_MICROSECOND):
        wrong = Problem("cursor", "invalid", "must be a next_cursor of this list with the same sort")
        raise InvalidError("The cursor does not belong to this list.", problems=[wrong])
    return (_EPOCH + key * _MICROSECOND if isinstance(key, int) else key), place


async def get_device(tx: AsyncConnection, actor: Actor, device_id: UUID) -> Device:
    return (await get_device_with_inventory(tx, actor, device_id))[0]


async def get_device_with_inventory(
    tx: AsyncConnection, actor: Actor, device_id: UUID
) -> tuple[Device, dict[str, Any]]:
    actor.require(Permission.READ)
    found = await store.find(tx, device_id, actor.scope)
    if found is None:
        raise NotFoundError("There is no such device.")
    return found


async def update_device(
    tx: AsyncConnection, actor: Actor, device_id: UUID, change: DeviceChange, *, now: datetime
) -> Device:
    """Describe a device, or move it to another site that the caller sees."""
    before = await lock_device(tx, actor, device_id)
    if change.site_id is not None and not await sites.existing(tx, [change.site_id], actor.scope):
        raise InvalidError.of([Problem("site_id", "unknown_site", "there is no such site")], what="The device")
    given = {"description": change.description, "site_id": change.site_id}
    values = {name: value for name, value in given.items() if value is not None and value != getattr(before, name)}
    if not values:
        return before
    await store.update_device(tx, device_id, {**values, "updated_at": now})
    detail = {"hostname": before.hostname, **{name: [getattr(before, name), value] for name, value in values.items()}}
    site_id = change.site_id or before.site_id
    await audit.record(tx, actor, "device.updated", "device", device_id, now=now, site_id=site_id, detail=detail)
    return await get_device(tx, actor, device_id)


async def lock_device(tx: AsyncConnection, actor: Actor, device_id: UUID, *, fields: Collection[str] = ()) -> Device:
    """A device, held until the transaction ends, for a caller who may change it; first the custom fields of these names."""
    if fields:
        await custom_fields.hold_named(tx, fields)
    await store.lock(tx, [device_id])
    device = await get_device(tx, actor, device_id)
    actor.require(Permission.DEVICES_WRITE)
    return device


async def lock_devices(tx: AsyncConnection, actor: Actor, device_ids: Sequence[UUID]) -> dict[UUID, Seen]:
    """Those of these devices that the caller sees, held until the transaction ends, for one who may change devices."""
    await store.lock(tx, list(dict.fromkeys(device_ids)))
    seen = await store.visible(tx, device_ids, actor.scope)
    actor.require(Permission.DEVICES_WRITE)
    return seen


async def set_tags(
    tx: AsyncConnection, actor: Actor, before: Device, wanted: Sequence[str], *, now: datetime
) -> Device:
    """Give a locked device exactly these tags."""
    await tags.set_tags(tx, actor, before, wanted, now=now)
    return await get_device(tx, actor, before.id)


async def set_custom_values(
    tx: AsyncConnection, actor: Actor, before: Device, values: Mapping[str, object], *, now: datetime
) -> Device:
    """Set the custom values of a locked device that are named; None takes one away, and those that are not named stay."""
    await custom_values.set_values(tx, actor, before, values, now=now)
    return await get_device(tx, actor, before.id)


async def list_software(
    tx: AsyncConnection, actor: Actor, device_id: UUID, *, q: str | None, limit: int, cursor: str | None
) -> Page[Software]:
    """What is installed on a device, by name."""
    await get_device(tx, actor, device_id)
    return await software.list_software(tx, device_id, q=q, limit=limit, cursor=cursor)


async def set_status(
    tx: AsyncConnection, actor: Actor, device_id: UUID, status: DeviceStatus, *, now: datetime
) -> Device:
    """Disable, enable or revoke a device. Revoking is for ever: the machine has to enrol again."""
    before = await lock_device(tx, actor, device_id)
    if before.status is status:
        return before
    if before.status is DeviceStatus.REVOKED:
        raise ConflictError("A revoked device stays revoked; enrol the machine again.", code="device_revoked")
    await store.update_device(tx, device_id, {"status": status.value, "updated_at": now})
    if status is not DeviceStatus.ACTIVE:
        await db.notify(tx, REFUSED_CHANNEL, str(device_id))
    detail = {"hostname": before.hostname, "status": [before.status.value, status.value]}
    await audit.record(
        tx, actor, f"device.{_VERBS[status]}", "device", device_id, now=now, site_id=before.site_id, detail=detail
    )
    return await get_device(tx, actor, device_id)


_VERBS = {DeviceStatus.ACTIVE: "enabled", DeviceStatus.DISABLED: "disabled", DeviceStatus.REVOKED: "revoked"}


async def add_device(tx: AsyncConnection, new: NewDevice, *, now: datetime) -> UUID:
    """Make a device of an approved request. Whoever approves writes the audit row."""
    device_id = uuid4()
    values = {name: getattr(new, name) for name in NewDevice.__dataclass_fields__}
    rest: dict[str, object] = {
        "id": device_id,
        "os_version_key": cached_version_key(new.os_version) if new.os_version else None,
        "agent_version_key": cached_version_key(new.agent_version) if new.agent_version else None,
        "inventory_revision": 0,
        "status": DeviceStatus.ACTIVE.value,
        "description": "",
        "inventory": {},
        "created_at": now,
        "updated_at": now,
    }
    await store.insert_device(tx, {**values, **rest})
    return device_id

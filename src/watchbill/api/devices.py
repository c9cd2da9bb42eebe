"""`/api/devices`: the machines under management."""

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import Field

from watchbill import devices
from watchbill.api.auth import Caller
from watchbill.api.common import (
    Description,
    Id,
    Instant,
    Model,
    Now,
    PageOf,
    PageQuery,
    Tx,
    router,
)
from watchbill.devices import Device, DeviceChange, DeviceFilter, DeviceSort, DeviceStatus

resource = router(prefix="/api/devices", tags=["devices"])

OsFamily = Literal["linux", "windows", "macos"]


class DeviceReply(Model):
    """`interpreters` null = the device has not told yet. `timezone` is what it says itself; null = unknown, its site's counts."""

    id: UUID
    site_id: int | None
    site_name: str | None
    hostname: str
    description: str
    status: DeviceStatus
    os_family: OsFamily
    os_name: str
    os_version: str
    arch: str
    agent_version: str
    interpreters: list[str] | None
    timezone: str | None
    inventory_at: Instant | None
    online: bool
    connected_at: Instant | None
    last_seen_at: Instant | None
    created_at: Instant
    updated_at: Instant


class DeviceWithInventory(DeviceReply):
    inventory: dict[str, Any]


class DeviceUpdate(Model):
    description: Description | None = None
    site_id: Id | None = None


class DeviceQuery(PageQuery):
    q: Annotated[str | None, Field(max_length=200, description="part of the host name or description")] = None
    site_id: Id | None = None
    os_family: OsFamily | None = None
    online: bool | None = None
    status: Annotated[DeviceStatus | None, Field(description="without it, all but revoked ones")] = None
    sort: DeviceSort = DeviceSort.HOSTNAME


@resource.get("")
async def list_devices(tx: Tx, caller: Caller, query: Annotated[DeviceQuery, Query()]) -> PageOf[DeviceReply]:
    """Devices of the caller's sites."""
    wanted = DeviceFilter(query.q, query.site_id, query.os_family, query.online, query.status)
    page = await devices.list_devices(tx, caller, wanted, sort=query.sort, limit=query.limit, cursor=query.cursor)
    return PageOf[DeviceReply].of(page, DeviceReply.model_validate)


@resource.get("/{device_id}")
async def get_device(device_id: UUID, tx: Tx, caller: Caller) -> DeviceWithInventory:
    """One device with its inventory."""
    device, inventory = await devices.get_device_with_inventory(tx, caller, device_id)
    return DeviceWithInventory(**DeviceReply.model_validate(device).model_dump(), inventory=inventory)


@resource.patch("/{device_id}")
async def update_device(device_id: UUID, body: DeviceUpdate, tx: Tx, caller: Caller, now: Now) -> DeviceReply:
    """Describe a device, or move it to another site."""
    change = DeviceChange(**body.model_dump())
    return DeviceReply.model_validate(await devices.update_device(tx, caller, device_id, change, now=now))


async def _set(status: DeviceStatus, device_id: UUID, tx: Tx, caller: Caller, now: Now) -> DeviceReply:
    device: Device = await devices.set_status(tx, caller, device_id, status, now=now)
    return DeviceReply.model_validate(device)


@resource.post("/{device_id}/disable")
async def disable_device(device_id: UUID, tx: Tx, caller: Caller, now: Now) -> DeviceReply:
    """Let nothing run on a device and close its connection, until it is enabled again."""
    return await _set(DeviceStatus.DISABLED, device_id, tx, caller, now)


@resource.post("/{device_id}/enable")
async def enable_device(device_id: UUID, tx: Tx, caller: Caller, now: Now) -> DeviceReply:
    """Let a disabled device connect and be targeted again."""
    return await _set(DeviceStatus.ACTIVE, device_id, tx, caller, now)


@resource.post("/{device_id}/revoke")
async def revoke_device(device_id: UUID, tx: Tx, caller: Caller, now: Now) -> DeviceReply:
    """Withdraw a device's key for ever; the machine may enrol again with a person's approval."""
    return await _set(DeviceStatus.REVOKED, device_id, tx, caller, now)

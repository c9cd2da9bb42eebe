"""`/api/devices`: the machines under management, their software, tags and custom values."""

from dataclasses import asdict
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Header, Query, Response
from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr, StringConstraints

from watchbill import agents, devices, filters, jobs, runs, vpn
from watchbill.api.auth import Caller
from watchbill.api.common import (
    Description,
    Id,
    Instant,
    Model,
    Now,
    PageOf,
    PageQuery,
    SearchQuery,
    Tx,
    check_if_match,
    etag,
    router,
)
from watchbill.api.service_accounts import ServiceAccountReply
from watchbill.api.tunnel_shapes import TunnelReply, tunnel_reply
from watchbill.core.custom_field_rules import MAX_FIELDS, FieldType
from watchbill.core.tag_rules import MAX_TAGS
from watchbill.devices import (
    MAX_DEVICES,
    Device,
    DeviceChange,
    DeviceFilter,
    DeviceSort,
    DeviceStatus,
    TagChange,
)

resource = router(prefix="/api/devices", tags=["devices"])

OsFamily = Literal["linux", "windows", "macos"]
Tag = Annotated[str, StringConstraints(max_length=200)]
DeviceType = Literal["server", "desktop", "laptop", "virtual", "container", "other"]
IfMatch = Annotated[str | None, Header(description="ETag of the device that the change is based on")]


class CustomValueReply(Model):
    """A date is a text, YYYY-MM-DD. `set_by`: a person, or the output of a script on the device."""

    type: FieldType
    value: str | float | bool
    set_by: Literal["operator", "script"]
    set_at: Instant


class DeviceReply(Model):
    """Null = the device has not told, or what it told is not known any more.

    `timezone` is what it says itself; null = unknown, its site's counts. `external_address` is where its connection comes from, as
    the gateway sees it: behind a proxy, the proxy's. `disk_free_bytes` is of the system's disk, rounded down. `inventory_revision`
    grows with every change that a filter can see.
    """

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
    device_type: DeviceType | None
    agent_branch: str | None
    domain: str | None
    last_user: str | None
    internal_addresses: list[str] | None
    external_address: str | None
    cpu_count: int | None
    ram_bytes: int | None
    disk_free_bytes: int | None
    tags: list[str]
    custom_values: dict[str, CustomValueReply]
    inventory_at: Instant | None
    inventory_revision: int
    online: bool
    connected_at: Instant | None
    last_seen_at: Instant | None
    created_at: Instant
    updated_at: Instant


class UserSessionReply(Model):
    """Somebody who is signed in. `place` is a terminal or a screen, as the device names it."""

    id: str
    user: str
    place: str | None
    is_remote: bool
    since_at: Instant | None


class DeviceWithInventory(DeviceReply):
    """`sessions`: who is signed in, or was when it went offline; null = its agent does not tell. `tunnel` null = it has told of none."""

    inventory: dict[str, Any]
    sessions: list[UserSessionReply] | None
    tunnel: TunnelReply | None
    service_account: ServiceAccountReply


class DeviceUpdate(Model):
    description: Description | None = None
    site_id: Id | None = None


class SoftwareReply(Model):
    name: str
    version: str
    source: str


class TagsUpdate(Model):
    tags: Annotated[list[Tag], Field(max_length=MAX_TAGS, description="all of them; what is not here goes")]


class TagsChange(Model):
    device_ids: Annotated[list[UUID], Field(min_length=1, max_length=MAX_DEVICES)]
    add: Annotated[list[Tag], Field(max_length=MAX_TAGS, default_factory=list)]
    remove: Annotated[list[Tag], Field(max_length=MAX_TAGS, default_factory=list)]
    dry_run: Annotated[bool, Field(description="only count what would change")] = False


class TagsChanged(Model):
    """`devices` asked for, `changed` of them, and how many tags came and went in all."""

    devices: int
    changed: int
    added: int
    removed: int
    dry_run: bool


class CustomValuesUpdate(Model):
    """By the name of the field. Null takes a value away; fields that are not named keep theirs."""

    values: Annotated[dict[str, StrictBool | StrictInt | StrictFloat | StrictStr | None], Field(max_length=MAX_FIELDS)]


class TargetingJob(Model):
    """A job that has the device among its targets. `by`: how; `is_excluded`: it is left out all the same."""

    id: int
    name: str
    state: str
    next_due_at: Instant | None
    by: list[Literal["device", "filter", "site", "all_devices", "onboarding_scope"]]
    is_excluded: bool


class TargetingJobs(Model):
    """At most 500, by name."""

    items: list[TargetingJob]


class DeviceQuery(PageQuery):
    q: Annotated[str | None, Field(max_length=200, description="part of the host name or description")] = None
    site_id: Id | None = None
    os_family: OsFamily | None = None
    online: bool | None = None
    status: Annotated[DeviceStatus | None, Field(description="without it, all but revoked ones")] = None
    tag: Annotated[str | None, Field(max_length=200, description="devices with this tag")] = None
    filter_id: Annotated[Id | None, Field(description="devices that this filter finds now")] = None
    sort: DeviceSort = DeviceSort.HOSTNAME


@resource.get("")
async def list_devices(tx: Tx, caller: Caller, now: Now, query: Annotated[DeviceQuery, Query()]) -> PageOf[DeviceReply]:
    """Devices of the caller's sites. An archived filter finds none."""
    if query.filter_id is not None:
        await filters.get(tx, caller, query.filter_id)
    wanted = DeviceFilter(
        query.q, query.site_id, query.os_family, query.online, query.status, query.tag, query.filter_id, now
    )
    page = await devices.list_devices(tx, caller, wanted, sort=query.sort, limit=query.limit, cursor=query.cursor)
    return PageOf[DeviceReply].of(page, DeviceReply.model_validate)


@resource.post("/tags")
async def change_tags(body: TagsChange, tx: Tx, caller: Caller, now: Now) -> TagsChanged:
    """Add tags to many devices and remove others, or do none of it."""
    change = TagChange(body.device_ids, body.add, body.remove)
    counted = await devices.change_tags(tx, caller, change, now=now, is_dry_run=body.dry_run)
    return TagsChanged(**asdict(counted), dry_run=body.dry_run)


@resource.get("/{device_id}")
async def get_device(device_id: UUID, tx: Tx, caller: Caller, now: Now, response: Response) -> DeviceWithInventory:
    """One device with its inventory, who is signed in on it, its tunnel, and the account that the Engine has there."""
    device, inventory = await devices.get_device_with_inventory(tx, caller, device_id)
    found = await devices.sessions_of(tx, device_id)
    account = ServiceAccountReply.model_validate(await agents.get_service_account(tx, caller, device_id))
    response.headers["ETag"] = etag(device.inventory_revision)
    sessions = None if found is None else [UserSessionReply(**asdict(one)) for one in found]
    tunnel = await vpn.find_tunnel(tx, device_id, now)
    shown: dict[str, Any] = DeviceReply.model_validate(device).model_dump()
    shown |= {"tunnel": tunnel_reply(tunnel) if tunnel else None, "service_account": account}
    return DeviceWithInventory(**shown, inventory=inventory, sessions=sessions)


def _changed(device: Device, response: Response) -> DeviceReply:
    response.headers["ETag"] = etag(device.inventory_revision)
    return DeviceReply.model_validate(device)


@resource.patch("/{device_id}")
async def update_device(
    device_id: UUID, body: DeviceUpdate, tx: Tx, caller: Caller, now: Now, response: Response, if_match: IfMatch = None
) -> DeviceReply:
    """Describe a device, or move it to another site."""
    before = await devices.lock_device(tx, caller, device_id)
    check_if_match(if_match, before.inventory_revision)
    change = DeviceChange(**body.model_dump())
    return _changed(await devices.update_device(tx, caller, device_id, change, now=now), response)


@resource.put("/{device_id}/tags")
async def set_tags(
    device_id: UUID, body: TagsUpdate, tx: Tx, caller: Caller, now: Now, response: Response, if_match: IfMatch = None
) -> DeviceReply:
    """Give a device exactly these tags."""
    before = await devices.lock_device(tx, caller, device_id)
    check_if_match(if_match, before.inventory_revision)
    return _changed(await devices.set_tags(tx, caller, before, body.tags, now=now), response)


@resource.put("/{device_id}/custom_values")
async def set_custom_values(
    device_id: UUID,
    body: CustomValuesUpdate,
    tx: Tx,
    caller: Caller,
    now: Now,
    response: Response,
    if_match: IfMatch = None,
) -> DeviceReply:
    """Set the custom values that are named; those that are not named stay as they are."""
    before = await devices.lock_device(tx, caller, device_id, fields=list(body.values))
    check_if_match(if_match, before.inventory_revision)
    return _changed(await devices.set_custom_values(tx, caller, before, body.values, now=now), response)


@resource.get("/{device_id}/software")
async def list_software(
    device_id: UUID, tx: Tx, caller: Caller, query: Annotated[SearchQuery, Query()]
) -> PageOf[SoftwareReply]:
    """What is installed on a device, by name, as its last inventory said."""
    page = await devices.list_software(tx, caller, device_id, q=query.q, limit=query.limit, cursor=query.cursor)
    return PageOf[SoftwareReply].of(page, SoftwareReply.model_validate)


@resource.get("/{device_id}/jobs")
async def list_device_jobs(device_id: UUID, tx: Tx, caller: Caller, now: Now) -> TargetingJobs:
    """The jobs that would consider a device if they started now."""
    device = await devices.get_device(tx, caller, device_id)
    found = await jobs.targeting_device(tx, caller, device_id, device.site_id, now)
    return TargetingJobs(items=[TargetingJob.model_validate(one) for one in found])


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
    enabled = await _set(DeviceStatus.ACTIVE, device_id, tx, caller, now)
    await vpn.look_again(tx)
    return enabled


@resource.post("/{device_id}/revoke")
async def revoke_device(device_id: UUID, tx: Tx, caller: Caller, now: Now) -> DeviceReply:
    """Withdraw a device's key for ever; the machine may enrol again with a person's approval. What waits for it is left out."""
    revoked = await _set(DeviceStatus.REVOKED, device_id, tx, caller, now)
    await runs.leave_revoked(tx, [device_id], now)
    await vpn.remove(tx, [device_id], now)
    return revoked

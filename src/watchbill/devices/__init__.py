"""Devices: the machines under management, what they are made of, and whether they are connected."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.devices import custom_fields, custom_values, inventory, presence, store
from watchbill.devices.custom_fields import CustomField, FieldDraft
from watchbill.devices.custom_values import Setting
from watchbill.devices.service import (
    REFUSED_CHANNEL,
    DeviceChange,
    NewDevice,
    add_device,
    get_device,
    get_device_with_inventory,
    list_devices,
    list_software,
    lock_device,
    lock_devices,
    set_custom_values,
    set_status,
    set_tags,
    update_device,
)
from watchbill.devices.sessions import SignedIn, UserSession, greeted, sessions_of
from watchbill.devices.sessions import changed as sessions_changed
from watchbill.devices.software import Software
from watchbill.devices.store import (
    CustomValue,
    Device,
    DeviceFilter,
    DeviceSort,
    DeviceStatus,
    Seen,
    count_by_site,
    credentials_of,
    set_sealing_key,
)
from watchbill.devices.tags import MAX_DEVICES, TagChange, TagCount, change_tags


async def reported(
    tx: AsyncConnection,
    inventories: Sequence[tuple[UUID, str, Mapping[str, Any]]],
    settings: Sequence[Setting],
    now: datetime,
) -> None:
    """Store what devices told in one batch: their inventories, and the values that their scripts set.

    Fields are locked before devices, and devices in the order of their ids, all at once: as whoever else changes several of them does.
    """
    held = await custom_fields.hold(tx, [one.field_id for one in settings]) if settings else set()
    kept = [one for one in settings if one.field_id in held]
    if kept:
        await store.lock(tx, [*{one.device_id for one in kept} | {device_id for device_id, *_ in inventories}])
    await inventory.record(tx, inventories, now)
    await custom_values.set_by_scripts(tx, kept, now)


__all__ = [
    "MAX_DEVICES",
    "REFUSED_CHANNEL",
    "CustomField",
    "CustomValue",
    "Device",
    "DeviceChange",
    "DeviceFilter",
    "DeviceSort",
    "DeviceStatus",
    "FieldDraft",
    "NewDevice",
    "Seen",
    "Setting",
    "SignedIn",
    "Software",
    "TagChange",
    "TagCount",
    "UserSession",
    "add_device",
    "change_tags",
    "count_by_site",
    "credentials_of",
    "custom_fields",
    "get_device",
    "get_device_with_inventory",
    "greeted",
    "inventory",
    "list_devices",
    "list_software",
    "lock_device",
    "lock_devices",
    "presence",
    "reported",
    "sessions_changed",
    "sessions_of",
    "set_custom_values",
    "set_sealing_key",
    "set_status",
    "set_tags",
    "update_device",
]

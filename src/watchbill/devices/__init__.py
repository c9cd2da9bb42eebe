"""Devices: the machines under management, what they are made of, and whether they are connected."""

from watchbill.devices import inventory, presence
from watchbill.devices.service import (
    REFUSED_CHANNEL,
    DeviceChange,
    NewDevice,
    add_device,
    get_device,
    get_device_with_inventory,
    list_devices,
    set_status,
    update_device,
)
from watchbill.devices.store import Device, DeviceFilter, DeviceSort, DeviceStatus, count_by_site, credentials_of

__all__ = [
    "REFUSED_CHANNEL",
    "Device",
    "DeviceChange",
    "DeviceFilter",
    "DeviceSort",
    "DeviceStatus",
    "NewDevice",
    "add_device",
    "count_by_site",
    "credentials_of",
    "get_device",
    "get_device_with_inventory",
    "inventory",
    "list_devices",
    "presence",
    "set_status",
    "update_device",
]

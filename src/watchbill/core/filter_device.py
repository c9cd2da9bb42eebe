"""Owns the facts of one device as filters see them, and when one counts as unknown. Stores and fetches nothing.

Texts and versions: None and the empty text are unknown, and so is a version longer than 200 characters. A custom value of another
type than its field has now is unknown. In SQL: `nullif(x, '')`, the key of the version, and one typed column for each custom type.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from watchbill.core.filter_fields import Field

Address = IPv4Address | IPv6Address
CustomValue = str | Decimal | bool | date


@dataclass(frozen=True, slots=True)
class Software:
    """One row of a device's software. `version` None or empty = unknown."""

    name: str
    version: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """What is known of one device."""

    hostname: str | None = None
    description: str | None = None
    site: int | None = None
    os_family: str | None = None
    os_name: str | None = None
    os_version: str | None = None
    arch: str | None = None
    device_type: str | None = None
    agent_version: str | None = None
    agent_branch: str | None = None
    domain: str | None = None
    last_user: str | None = None
    internal_addresses: tuple[Address, ...] = ()
    external_address: Address | None = None
    cpu_count: int | None = None
    ram_bytes: int | None = None
    disk_free_bytes: int | None = None
    online: bool = False
    last_seen_at: datetime | None = None
    timezone: str | None = None
    tags: frozenset[str] = frozenset()
    custom: Mapping[str, CustomValue] = field(default_factory=dict)
    software: tuple[Software, ...] = ()


_SECOND: Final = timedelta(seconds=1)
_CUSTOM_TYPES: Final = {"text": str, "number": Decimal, "boolean": bool, "date": date}


def last_seen_age(device: Device, now: datetime) -> int | None:
    """Whole seconds since the device was seen, 0 when it is online or a clock ran ahead; None when it never was.

    In SQL: `CASE WHEN online THEN 0 ELSE greatest(0, floor(extract(epoch FROM :now - last_seen_at))) END`, NULL without a row.
    """
    if device.online:
        return 0
    return None if device.last_seen_at is None else max(0, (now - device.last_seen_at) // _SECOND)


def fact(device: Device, asked: Field) -> object:
    """What is known of a field that is neither of addresses nor computed: None when it is unknown."""
    value = device.custom.get(asked.custom_name) if asked.custom_name is not None else getattr(device, asked.name)
    if asked.custom_name is not None and type(value) is not _CUSTOM_TYPES[asked.kind]:
        return None
    return None if value == "" else value


def addresses(device: Device, asked: Field) -> tuple[Address, ...]:
    """The addresses that the device has under the field."""
    if asked.name == "internal_address":
        return device.internal_addresses
    return () if device.external_address is None else (device.external_address,)

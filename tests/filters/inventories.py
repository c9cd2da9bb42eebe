"""Writes devices of the core into the database, as the features that own each table keep them."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from tests.core.filter_strategies import CUSTOM_FIELDS, NOW, SITES
from watchbill.core.filter_expr import Device, Software, find_version_key, fold

_TEXTS = ("hostname", "description", "os_name", "os_version", "arch", "agent_version")

_SITES = """
INSERT INTO sites (id, name, enrolment_code_sealed, enrolment_code_hash, enrolment_code_rotated_at, created_at, updated_at)
OVERRIDING SYSTEM VALUE SELECT n, 'Site ' || n, 'none', int8send(n), now(), now(), now() FROM unnest(%s::bigint[]) n
"""
_FIELDS = """
INSERT INTO custom_fields (name, label, type, created_at, updated_at)
SELECT key, key, value, now(), now() FROM jsonb_each_text(%s::jsonb)
"""
_DEVICES = """
INSERT INTO devices (id, status, public_key, site_id, hostname, description, os_family, os_name, os_version, os_version_key, arch,
  device_type, agent_version, agent_version_key, agent_branch, domain, last_user, internal_addresses, external_address, cpu_count,
  ram_bytes, disk_free_bytes, timezone, created_at, updated_at)
SELECT id, 'active', convert_to(id::text, 'UTF8'), site_id, hostname, description, os_family, os_name, os_version, os_version_key, arch,
  device_type, agent_version, agent_version_key, agent_branch, domain, last_user, internal_addresses, external_address, cpu_count,
  ram_bytes, disk_free_bytes, timezone, now(), now()
FROM jsonb_populate_recordset(NULL::devices, %s::jsonb)
"""
_PRESENCE = """
INSERT INTO device_presence (device_id, gateway_id, last_seen_at)
SELECT device_id, gateway_id, last_seen_at FROM jsonb_populate_recordset(NULL::device_presence, %s::jsonb)
"""
_TAGS = "INSERT INTO device_tags SELECT * FROM jsonb_populate_recordset(NULL::device_tags, %s::jsonb)"
_SOFTWARE = "INSERT INTO device_software SELECT * FROM jsonb_populate_recordset(NULL::device_software, %s::jsonb)"
_VALUES = """
INSERT INTO device_custom_values (device_id, field_id, text_value, number_value, boolean_value, date_value, set_by, set_at)
SELECT g.device_id, f.id, g.text_value, g.number_value, g.boolean_value, g.date_value, 'operator', now()
FROM jsonb_to_recordset(%s::jsonb)
  AS g(device_id uuid, field text, text_value text, number_value double precision, boolean_value boolean, date_value date)
JOIN custom_fields f ON f.name = g.field
"""


def as_kept(device: Device) -> Device:
    """The device as the database can hold one: what is mandatory there, numbers as floats, tags in lower case."""
    texts: dict[str, Any] = {name: getattr(device, name) or "" for name in _TEXTS}
    seen = device.last_seen_at or (NOW if device.online else None)
    custom = dict(device.custom)
    if "slots" in custom:
        custom["slots"] = Decimal(repr(float(str(custom["slots"]))))
    return replace(
        device,
        **texts,
        os_family=device.os_family or "linux",
        device_type=device.device_type or None,
        cpu_count=None if device.cpu_count is None else min(device.cpu_count, 2**31 - 1),
        last_seen_at=seen,
        tags=frozenset(map(fold, device.tags)),
        custom=custom,
        software=tuple(
            {
                (one.name, one.version, one.source): one
                for one in (Software(row.name, row.version or "", row.source or "") for row in device.software)
            }.values()
        ),
    )


def prepare(connection) -> None:
    """The sites and custom fields of the strategies."""
    connection.execute(_SITES, [list(SITES)])
    connection.execute(_FIELDS, [json.dumps({name: kind.value for name, kind in CUSTOM_FIELDS.items()})])


def write(connection, devices) -> dict[UUID, Device]:
    """Devices that are `as_kept`, by their ids."""
    found = {uuid4(): device for device in devices}
    rows = list(found.items())
    for statement, values in (
        (_DEVICES, [_device(key, one) for key, one in rows]),
        (_PRESENCE, [_presence(key, one) for key, one in rows if one.last_seen_at is not None]),
        (_TAGS, [{"device_id": str(key), "tag": tag} for key, one in rows for tag in one.tags]),
        (_SOFTWARE, [_software(key, row) for key, one in rows for row in one.software]),
        (_VALUES, [_value(key, name, value) for key, one in rows for name, value in one.custom.items()]),
    ):
        connection.execute(statement, [json.dumps(values)])
    return found


def _device(key: UUID, one: Device) -> dict[str, object]:
    same = (*_TEXTS, "os_family", "device_type", "agent_branch", "domain", "last_user", "cpu_count", "ram_bytes")
    return {
        **{name: getattr(one, name) for name in (*same, "disk_free_bytes", "timezone")},
        "id": str(key),
        "site_id": one.site,
        "os_version_key": find_version_key(one.os_version),
        "agent_version_key": find_version_key(one.agent_version),
        "internal_addresses": [str(address) for address in one.internal_addresses],
        "external_address": None if one.external_address is None else str(one.external_address),
    }


def _presence(key: UUID, one: Device) -> dict[str, object]:
    return {
        "device_id": str(key),
        "gateway_id": str(key) if one.online else None,
        "last_seen_at": one.last_seen_at.isoformat() if one.last_seen_at else None,
    }


def _software(key: UUID, row: Software) -> dict[str, object]:
    return {
        "device_id": str(key),
        "name": row.name,
        "name_key": fold(row.name),
        "version": row.version,
        "version_key": find_version_key(row.version) or "",
        "source": row.source,
    }


def _value(key: UUID, name: str, value: object) -> dict[str, object]:
    column = f"{CUSTOM_FIELDS[name].value}_value"
    told = value.isoformat() if hasattr(value, "isoformat") else float(value) if isinstance(value, Decimal) else value
    return {"device_id": str(key), "field": name, column: told}

"""The SQL of asking which devices criteria find now, and of what is known of those. Within a bounded time. Decides nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import psycopg
from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import bindparam

from watchbill.core.filter_expr import Device, Software
from watchbill.filters.compile import Compiled

#: What one question may take, over as many devices as there may be.
MOST_SECONDS: Final = 5

_LIMIT = text("SELECT set_config('statement_timeout', :milliseconds, true)")
_FIND = text("""
SELECT device_id, sort_name, devices, online
FROM filter_preview(:condition, :parameters, CAST(:now AS timestamptz), CAST(:reach AS bigint[]), :site_mode,
  CAST(:site_ids AS bigint[]), CAST(:after_name AS text), CAST(:after_id AS uuid), :most)
""").bindparams(bindparam("parameters", type_=JSONB))

_FACTS = text("""
SELECT d.id, d.hostname, d.description, d.site_id, x.name AS site_name, d.os_family, d.os_name, d.os_version, d.arch, d.device_type,
  d.agent_version, d.agent_branch, d.domain, d.last_user, d.internal_addresses, d.external_address, d.cpu_count, d.ram_bytes,
  d.disk_free_bytes, d.timezone, p.gateway_id IS NOT NULL AS online, p.last_seen_at,
  ARRAY(SELECT t.tag FROM device_tags t WHERE t.device_id = d.id) AS tags,
  (SELECT jsonb_object_agg(f.name, v.number_value::text) FROM device_custom_values v JOIN custom_fields f ON f.id = v.field_id
    WHERE v.device_id = d.id AND v.number_value IS NOT NULL) AS numbers,
  (SELECT jsonb_object_agg(f.name, coalesce(to_jsonb(v.text_value), to_jsonb(v.boolean_value)))
    FROM device_custom_values v JOIN custom_fields f ON f.id = v.field_id
    WHERE v.device_id = d.id AND num_nonnulls(v.text_value, v.boolean_value) = 1) AS plain,
  (SELECT jsonb_object_agg(f.name, v.date_value) FROM device_custom_values v JOIN custom_fields f ON f.id = v.field_id
    WHERE v.device_id = d.id AND v.date_value IS NOT NULL) AS dates
FROM devices d LEFT JOIN device_presence p ON p.device_id = d.id LEFT JOIN sites x ON x.id = d.site_id
WHERE d.id = ANY(CAST(:ids AS uuid[]))
""")

_SOFTWARE = text("""
SELECT s.device_id, s.name, s.version, s.source FROM device_software s
WHERE s.device_id = ANY(CAST(:ids AS uuid[])) AND (CAST(:names AS text[]) IS NULL OR s.name_key = ANY(:names))
""")


class TooSlowError(Exception):
    """The question takes longer than it may. Its transaction can do nothing more."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which devices: a condition, at which sites, within which sites at most (None = all)."""

    sql: Compiled
    site_mode: str
    site_ids: Sequence[int]
    reach: Sequence[int] | None


@dataclass(frozen=True, slots=True)
class Found:
    """How many devices there are, and those of one page with the names they are sorted by."""

    devices: int
    online: int
    page: Sequence[tuple[UUID, str]]


@dataclass(frozen=True, slots=True)
class Facts:
    """One device as filters see it, and what a list shows of it."""

    device: Device
    site_name: str | None


async def bound(tx: AsyncConnection, seconds: float = MOST_SECONDS) -> None:
    """From here on no statement of this transaction takes longer."""
    await tx.execute(_LIMIT, {"milliseconds": f"{seconds * 1000:.0f}"})


async def find(
    tx: AsyncConnection, asked: Question, *, after: tuple[str, UUID] | None, most: int, now: datetime
) -> Found:
    """The devices after a place, by host name; TooSlowError when it takes too long (see `bound`)."""
    after_name, after_id = after or (None, None)
    values = {
        "condition": asked.sql.condition,
        "parameters": asked.sql.parameters,
        "now": now,
        "reach": asked.reach,
        "site_mode": asked.site_mode,
        "site_ids": list(asked.site_ids),
        "after_name": after_name,
        "after_id": after_id,
        "most": most,
    }
    try:
        rows = (await tx.execute(_FIND, values)).all()
    except OperationalError as error:
        if isinstance(error.orig, psycopg.errors.QueryCanceled):
            raise TooSlowError from None
        raise
    page = [(row.device_id, row.sort_name) for row in rows if row.device_id is not None]
    return Found(rows[0].devices, rows[0].online, page)


async def facts_of(tx: AsyncConnection, ids: Sequence[UUID]) -> dict[UUID, Facts]:
    """What is known of these devices, their software aside."""
    rows = (await tx.execute(_FACTS, {"ids": list(ids)})).mappings()
    return {row["id"]: Facts(_device(row), row["site_name"]) for row in rows}


async def software_of(
    tx: AsyncConnection, ids: Sequence[UUID], names: Sequence[str] | None
) -> dict[UUID, tuple[Software, ...]]:
    """The software of these devices; only of these folded names where they are given."""
    found: dict[UUID, list[Software]] = {}
    given = {"ids": list(ids), "names": None if names is None else list(names)}
    for row in await tx.execute(_SOFTWARE, given):
        found.setdefault(row.device_id, []).append(Software(row.name, row.version, row.source))
    return {device_id: tuple(rows) for device_id, rows in found.items()}


_SAME: Final = (
    *("hostname", "description", "os_family", "os_name", "os_version", "arch", "device_type", "agent_version"),
    *("agent_branch", "domain", "last_user", "external_address", "cpu_count", "ram_bytes", "disk_free_bytes"),
    *("online", "last_seen_at", "timezone"),
)


def _device(row: RowMapping) -> Device:
    return Device(
        **{name: row[name] for name in _SAME},
        site=row["site_id"],
        internal_addresses=tuple(row["internal_addresses"] or ()),
        tags=frozenset(row["tags"]),
        custom=_custom(row),
    )


def _custom(row: RowMapping) -> dict[str, Any]:
    numbers = {name: Decimal(value) for name, value in (row["numbers"] or {}).items()}
    dates = {name: datetime.fromisoformat(value).date() for name, value in (row["dates"] or {}).items()}
    return {**(row["plain"] or {}), **numbers, **dates}

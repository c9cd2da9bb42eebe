"""Storing what devices tell about themselves: of a batch, only what changed, in a number of statements that does not depend on its size.

What a report may say is decided in `report`. A report that is equal to what is stored writes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.filter_text import fold
from watchbill.devices.report import BadInventoryError, Normalised, Software, cached_version_key, normalised
from watchbill.kit import log

_logger = log.get("inventory")

_STORED = text("""
SELECT id, inventory_digest, software_digest FROM devices WHERE id = ANY(:devices) ORDER BY id FOR NO KEY UPDATE
""")

_SOFTWARE = text("SELECT device_id, source, name, version FROM device_software WHERE device_id = ANY(:devices)")

_REMOVE = text("""
DELETE FROM device_software s
USING unnest(CAST(:devices AS uuid[]), CAST(:sources AS text[]), CAST(:names AS text[]), CAST(:versions AS text[]))
  AS g(device_id, source, name, version)
WHERE s.device_id = g.device_id AND s.source = g.source AND s.name = g.name AND s.version = g.version
""")

_ADD = text("""
INSERT INTO device_software (device_id, source, name, name_key, version, version_key)
SELECT * FROM unnest(CAST(:devices AS uuid[]), CAST(:sources AS text[]), CAST(:names AS text[]), CAST(:name_keys AS text[]),
  CAST(:versions AS text[]), CAST(:version_keys AS text[]))
""")

# coalesce: what a device is by its nature keeps its value when a report leaves it out. All else is not known any more when it is
# not told any more. The revision tells what filters can see; the rest of a report (`inventory`) they cannot.
_FACTS = text("""
WITH told AS (
  SELECT * FROM jsonb_to_recordset(:rows) AS r(device_id uuid, digest text, inventory jsonb, is_other_software boolean,
    software_digest text, hostname text, os_family text, os_name text, os_version text, os_version_key text, arch text,
    agent_version text, agent_version_key text, agent_branch text, interpreters text[], timezone text, device_type text,
    domain text, last_user text, internal_addresses inet[], cpu_count integer, ram_bytes bigint, disk_free_bytes bigint)
), fresh AS (
  SELECT r.device_id, r.digest, r.inventory, r.is_other_software, coalesce(r.software_digest, d.software_digest) AS software_digest,
    coalesce(r.hostname, d.hostname) AS hostname, coalesce(r.os_family, d.os_family) AS os_family,
    coalesce(r.os_name, d.os_name) AS os_name, coalesce(r.os_version, d.os_version) AS os_version,
    coalesce(r.os_version_key, d.os_version_key) AS os_version_key, coalesce(r.arch, d.arch) AS arch,
    coalesce(r.agent_version, d.agent_version) AS agent_version,
    coalesce(r.agent_version_key, d.agent_version_key) AS agent_version_key,
    coalesce(r.interpreters, d.interpreters) AS interpreters, r.timezone, r.agent_branch, r.device_type, r.domain, r.last_user,
    r.internal_addresses, r.cpu_count, r.ram_bytes, r.disk_free_bytes
  FROM told r JOIN devices d ON d.id = r.device_id
)
UPDATE devices d SET inventory_revision = d.inventory_revision + CASE WHEN f.is_other_software OR
    (d.hostname, d.os_family, d.os_name, d.os_version, d.os_version_key, d.arch, d.agent_version, d.agent_version_key,
      d.interpreters, d.timezone, d.agent_branch, d.device_type, d.domain, d.last_user, d.internal_addresses, d.cpu_count,
      d.ram_bytes, d.disk_free_bytes)
    IS DISTINCT FROM
    (f.hostname, f.os_family, f.os_name, f.os_version, f.os_version_key, f.arch, f.agent_version, f.agent_version_key,
      f.interpreters, f.timezone, f.agent_branch, f.device_type, f.domain, f.last_user, f.internal_addresses, f.cpu_count,
      f.ram_bytes, f.disk_free_bytes)
    THEN 1 ELSE 0 END,
  hostname = f.hostname, os_family = f.os_family, os_name = f.os_name, os_version = f.os_version,
  os_version_key = f.os_version_key, arch = f.arch, agent_version = f.agent_version, agent_version_key = f.agent_version_key,
  interpreters = f.interpreters, timezone = f.timezone, agent_branch = f.agent_branch, device_type = f.device_type,
  domain = f.domain, last_user = f.last_user, internal_addresses = f.internal_addresses, cpu_count = f.cpu_count,
  ram_bytes = f.ram_bytes, disk_free_bytes = f.disk_free_bytes, software_digest = f.software_digest,
  inventory = f.inventory, inventory_digest = f.digest, inventory_at = :now, updated_at = :now
FROM fresh f WHERE d.id = f.device_id
""").bindparams(bindparam("rows", type_=JSONB))


@dataclass(frozen=True, slots=True)
class _Told:
    """A report that is not what is stored. `software` None = that part is, or was not told."""

    device_id: UUID
    one: Normalised
    software_digest: str | None
    software: frozenset[Software] | None


_Row = tuple[UUID, Software]


async def record(
    tx: AsyncConnection, rows: Sequence[tuple[UUID, str, Mapping[str, Any]]], now: datetime
) -> dict[UUID, str]:
    """Store (device, digest, inventory) reports; returns the devices whose report was refused, each with the reason.

    Of several reports of one device the last counts.
    """
    if not rows:
        return {}
    given = {device_id: (digest, inventory) for device_id, digest, inventory in rows}
    told: list[_Told] = []
    refused: dict[UUID, str] = {}
    # Locked in the order of ids. What is stored already is not even looked through.
    for row in await tx.execute(_STORED, {"devices": list(given)}):
        if row.inventory_digest != given[row.id][0]:
            try:
                told.append(_told(row.id, normalised(*given[row.id]), row.software_digest))
            except BadInventoryError as error:
                refused[row.id] = str(error)
    _tell(told, refused)
    await _store(tx, told, now)
    return refused


def _told(device_id: UUID, one: Normalised, stored_digest: str | None) -> _Told:
    digest = one.software_digest()
    return _Told(device_id, one, digest, None if digest == stored_digest else one.software)


def _tell(told: Sequence[_Told], refused: Mapping[UUID, str]) -> None:
    for device_id, why in refused.items():
        _logger.warning("inventory.refused", device=str(device_id), error=why)
    for one in told:
        if one.one.dropped:
            _logger.warning("inventory.dropped", device=str(one.device_id), fields=list(one.one.dropped))


async def _store(tx: AsyncConnection, told: Sequence[_Told], now: datetime) -> None:
    if not told:
        return
    changed = await _store_software(tx, {one.device_id: one.software for one in told if one.software is not None})
    rows = [_facts_row(one, is_other_software=one.device_id in changed) for one in told]
    await tx.execute(_FACTS, {"now": now, "rows": rows})


def _facts_row(told: _Told, *, is_other_software: bool) -> dict[str, Any]:
    return {
        **asdict(told.one.facts),
        "device_id": str(told.device_id),
        "digest": told.one.digest,
        "inventory": told.one.inventory,
        "software_digest": told.software_digest,
        "is_other_software": is_other_software,
    }


async def _store_software(tx: AsyncConnection, told: Mapping[UUID, frozenset[Software]]) -> set[UUID]:
    """Make the rows of these devices what they say; returns those for which something had to be done."""
    if not told:
        return set()
    stored: dict[UUID, set[Software]] = {device_id: set() for device_id in told}
    for device_id, *one in await tx.execute(_SOFTWARE, {"devices": list(told)}):
        stored[device_id].add((one[0], one[1], one[2]))
    gone = [(device_id, one) for device_id, rows in told.items() for one in stored[device_id] - rows]
    new = [(device_id, one) for device_id, rows in told.items() for one in rows - stored[device_id]]
    if gone:
        await tx.execute(_REMOVE, _columns(gone))
    if new:
        keys = {"name_keys": [fold(one[1]) for _, one in new], "version_keys": _version_keys(new)}
        await tx.execute(_ADD, {**_columns(new), **keys})
    return {device_id for device_id, _ in [*gone, *new]}


def _version_keys(rows: Iterable[_Row]) -> list[str]:
    """Empty where there is none to compare."""
    return [cached_version_key(version) or "" for _, (_, _, version) in rows]


def _columns(rows: Sequence[_Row]) -> dict[str, list[Any]]:
    return {
        "devices": [device_id for device_id, _ in rows],
        "sources": [one[0] for _, one in rows],
        "names": [one[1] for _, one in rows],
        "versions": [one[2] for _, one in rows],
    }

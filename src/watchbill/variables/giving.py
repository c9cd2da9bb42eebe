"""Values at the hand-out: looked up for a whole batch of devices at once, sealed to each one's key, and kept on record by reference."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.assembly_rules import Value
from watchbill.core.variable_rules import Found, Place, strongest
from watchbill.kit.secrets import KeyRing
from watchbill.variables import store
from watchbill.variables.sealed import context
from watchbill.variables.store import Used

#: Whether nothing gives device `d` a value of the name `n.name`. Three questions, each answered by one row of the index: with OR
#: in one, every value of the name would be read for every device.
LACKS_NAME: Final = """NOT (
    EXISTS (SELECT FROM variable_values v WHERE v.ended_at IS NULL AND v.name = n.name AND v.site_id IS NULL AND v.device_id IS NULL)
    OR EXISTS (SELECT FROM variable_values v WHERE v.ended_at IS NULL AND v.name = n.name AND v.site_id = d.site_id AND v.device_id IS NULL)
    OR EXISTS (SELECT FROM variable_values v WHERE v.ended_at IS NULL AND v.name = n.name AND v.site_id IS NULL AND v.device_id = d.id))"""
#: Whether device `d` lacks a value of one of the names `:needed`.
LACKS: Final = f"EXISTS (SELECT FROM unnest(CAST(:needed AS text[])) AS n(name) WHERE {LACKS_NAME})"
#: Whether there is a secret to give, and no key of device `d` to seal it to.
LACKS_KEY: Final = "(CAST(:needs_key AS boolean) AND d.sealing_key IS NULL)"

_DEVICES = text("SELECT id, site_id, sealing_key FROM devices WHERE id = ANY(:devices)")
_VALUES = text("""
SELECT v.id, v.variable_id, v.site_id, v.device_id, v.name, v.is_secret, v.value, v.sealed FROM variable_values v
WHERE v.ended_at IS NULL AND v.name = ANY(:names) AND v.site_id IS NULL AND v.device_id IS NULL
UNION ALL
SELECT v.id, v.variable_id, v.site_id, v.device_id, v.name, v.is_secret, v.value, v.sealed FROM variable_values v
WHERE v.ended_at IS NULL AND v.name = ANY(:names) AND v.site_id IN (SELECT d.site_id FROM devices d WHERE d.id = ANY(:devices))
UNION ALL
SELECT v.id, v.variable_id, v.site_id, v.device_id, v.name, v.is_secret, v.value, v.sealed FROM variable_values v
WHERE v.ended_at IS NULL AND v.name = ANY(:names) AND v.device_id = ANY(:devices)
""")

_FOR_EVERYTHING = text("""
SELECT v.id, v.variable_id, v.site_id, v.device_id, v.name, v.is_secret, v.value, v.sealed FROM variable_values v
WHERE v.ended_at IS NULL AND v.name = ANY(:names) AND v.site_id IS NULL AND v.device_id IS NULL
""")


@dataclass
class Giver:
    """What a batch of devices may be given. `load` looks it up in two statements, whatever their number."""

    found: list[Found] = field(default_factory=list)
    site_ids: dict[UUID, int | None] = field(default_factory=dict)
    sealing_keys: dict[UUID, bytes] = field(default_factory=dict)

    @classmethod
    async def load(
        cls, tx: AsyncConnection, keys: KeyRing, device_ids: Collection[UUID], names: Collection[str]
    ) -> "Giver":
        """For scripts that declare variables of these `names`."""
        giver = cls()
        if not names or not device_ids:
            return giver
        wanted = {"devices": sorted(device_ids), "names": sorted(names)}
        for row in await tx.execute(_DEVICES, {"devices": wanted["devices"]}):
            giver.site_ids[row.id] = row.site_id
            if row.sealing_key is not None:
                giver.sealing_keys[row.id] = row.sealing_key
        giver.found = [_found(row, keys) for row in await tx.execute(_VALUES, wanted)]
        return giver

    def values_for(self, device_id: UUID) -> Mapping[str, Found]:
        return strongest(self.found, self.site_ids.get(device_id), device_id)


def _found(row: Row[*tuple[Any, ...]], keys: KeyRing) -> Found:
    value: Value = row.value
    if row.is_secret:
        value = keys.open_text(row.sealed, context(row.variable_id)).reveal()
    return Found(row.id, Place(row.site_id, row.device_id), row.name, row.is_secret, value)


async def values_used(tx: AsyncConnection, used: Sequence[int]) -> dict[int, Used]:
    """The values of these revisions, secrets apart."""
    return await store.revisions(tx, used) if used else {}


async def for_everything(tx: AsyncConnection, keys: KeyRing, names: Collection[str]) -> dict[str, Found]:
    """The values for everything of these names, opened; those that have none are missing. For what the Engine does itself."""
    rows = await tx.execute(_FOR_EVERYTHING, {"names": sorted(names)})
    return {row.name: _found(row, keys) for row in rows}

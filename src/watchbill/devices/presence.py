"""Which device is connected to which gateway. Written by gateways, in batches; every change of online is published.

A device is online while a row names a gateway. The row names the connection too, so that the end of an old connection cannot
put a device offline that has long come back on a new one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

from sqlalchemy import Row, Uuid, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.devices.report import address_of
from watchbill.devices.store import DeviceStatus
from watchbill.kit import events
from watchbill.kit.events import Event

_UUIDS = ARRAY(Uuid())
#: Connections whose addresses nobody knows.
NOWHERE: Mapping[UUID, str] = MappingProxyType({})

# Locked: a device that is being disabled at this moment is either seen as disabled here, or its NOTIFY comes after this commit and
# finds the connection. Everything is locked in the order of ids, and as strongly as `addressed` needs it: two that share a lock and
# both want more of it would wait for each other.
_CONNECT = text("""
WITH known AS (
  SELECT d.id, d.site_id, d.status, d.inventory_digest, g.connection_id, CAST(g.address AS inet) AS address
  FROM unnest(:devices, :connections, CAST(:addresses AS text[])) AS g(device_id, connection_id, address)
  JOIN devices d ON d.id = g.device_id
  ORDER BY d.id FOR NO KEY UPDATE OF d
), addressed AS (
  UPDATE devices d SET external_address = k.address, inventory_revision = d.inventory_revision + 1, updated_at = :now
  FROM known k WHERE d.id = k.id AND k.status = 'active' AND k.address IS NOT NULL AND d.external_address IS DISTINCT FROM k.address
), before AS (
  SELECT p.device_id, p.gateway_id, p.connection_id FROM device_presence p JOIN known k ON k.id = p.device_id
), put AS (
  INSERT INTO device_presence (device_id, gateway_id, connection_id, connected_at, last_seen_at)
  SELECT id, :gateway, connection_id, :now, :now FROM known WHERE status = 'active' ORDER BY id
  ON CONFLICT (device_id) DO UPDATE SET gateway_id = excluded.gateway_id, connection_id = excluded.connection_id,
    connected_at = excluded.connected_at, last_seen_at = excluded.last_seen_at
)
SELECT k.id, k.site_id, k.status, k.inventory_digest, b.gateway_id AS old_gateway_id, b.connection_id AS old_connection_id
FROM known k LEFT JOIN before b ON b.device_id = k.id
""").bindparams(
    bindparam("devices", type_=_UUIDS),
    bindparam("connections", type_=_UUIDS),
    bindparam("gateway", type_=Uuid()),
)

_SEEN = text("""
WITH held AS (
  SELECT p.device_id FROM device_presence p
  WHERE p.device_id = ANY(:devices) AND p.gateway_id = :gateway ORDER BY p.device_id FOR UPDATE
)
UPDATE device_presence p SET last_seen_at = greatest(p.last_seen_at, :now) FROM held
WHERE p.device_id = held.device_id RETURNING p.device_id
""").bindparams(bindparam("devices", type_=_UUIDS), bindparam("gateway", type_=Uuid()))

_DISCONNECT = text("""
WITH ended AS (
  SELECT p.device_id FROM unnest(:devices, :connections) AS g(device_id, connection_id)
  JOIN device_presence p ON p.device_id = g.device_id AND p.connection_id = g.connection_id
  ORDER BY p.device_id FOR UPDATE OF p
)
UPDATE device_presence p SET gateway_id = NULL, connection_id = NULL, last_seen_at = greatest(p.last_seen_at, :now)
FROM ended, devices d WHERE p.device_id = ended.device_id AND d.id = p.device_id
RETURNING p.device_id AS id, d.site_id
""").bindparams(bindparam("devices", type_=_UUIDS), bindparam("connections", type_=_UUIDS))

_BY_GATEWAY = text(
    "SELECT gateway_id, count(*) AS number FROM device_presence WHERE gateway_id IS NOT NULL GROUP BY gateway_id"
)

# last_seen_at stays: nobody knows how long the gateway had been gone.
_GATEWAY_GONE = text("""
WITH ended AS (
  SELECT p.device_id FROM device_presence p WHERE p.gateway_id = :gateway ORDER BY p.device_id FOR UPDATE
)
UPDATE device_presence p SET gateway_id = NULL, connection_id = NULL
FROM ended, devices d WHERE p.device_id = ended.device_id AND d.id = p.device_id
RETURNING p.device_id AS id, d.site_id
""").bindparams(bindparam("gateway", type_=Uuid()))


@dataclass(frozen=True, slots=True)
class Connected:
    """What a gateway must know of a device that has just connected."""

    device_id: UUID
    site_id: int | None
    status: DeviceStatus
    inventory_digest: str | None
    replaced_gateway_id: UUID | None
    replaced_connection_id: UUID | None

    @property
    def is_accepted(self) -> bool:
        """False: nothing was written, the socket is to be closed."""
        return self.status is DeviceStatus.ACTIVE


async def connected(
    tx: AsyncConnection,
    gateway_id: UUID,
    rows: Sequence[tuple[UUID, UUID]],
    now: datetime,
    *,
    addresses: Mapping[UUID, str] = NOWHERE,
) -> list[Connected]:
    """Note (device, connection) pairs of one gateway. Devices that do not exist are missing in the answer.

    `addresses`: where these connections come from, as far as it is known; a device keeps the last one.
    """
    pairs = dict(rows)  # the last connection of a device is its present one
    given = {"gateway": gateway_id, "now": now, "devices": list(pairs), "connections": list(pairs.values())}
    places = [address_of(addresses.get(connection)) for connection in pairs.values()]
    given["addresses"] = [None if one is None else str(one) for one in places]
    found = (await tx.execute(_CONNECT, given)).all()
    told = [
        Connected(
            row.id,
            row.site_id,
            DeviceStatus(row.status),
            row.inventory_digest,
            row.old_gateway_id,
            row.old_connection_id,
        )
        for row in found
    ]
    fresh = [row for row, one in zip(found, told, strict=True) if one.is_accepted and not one.replaced_gateway_id]
    await _publish(tx, fresh, now, online=True)
    return told


async def seen(tx: AsyncConnection, gateway_id: UUID, device_ids: Collection[UUID], now: datetime) -> set[UUID]:
    """Note signs of life; returns the devices that still belong to this gateway."""
    return set((await tx.execute(_SEEN, {"gateway": gateway_id, "devices": list(device_ids), "now": now})).scalars())


async def disconnected(tx: AsyncConnection, rows: Sequence[tuple[UUID, UUID]], now: datetime) -> None:
    """Note ended (device, connection) pairs; those that are no longer the device's present connection change nothing."""
    given = {"devices": [device for device, _ in rows], "connections": [one for _, one in rows], "now": now}
    await _publish(tx, (await tx.execute(_DISCONNECT, given)).all(), now, online=False)


async def gateway_gone(tx: AsyncConnection, gateway_id: UUID, now: datetime) -> int:
    """Put every device of a gateway that ended without a word offline; how many."""
    gone = (await tx.execute(_GATEWAY_GONE, {"gateway": gateway_id})).all()
    await _publish(tx, gone, now, online=False)
    return len(gone)


async def _publish(
    tx: AsyncConnection, rows: Sequence[Row[tuple[object, ...]]], now: datetime, *, online: bool
) -> None:
    changes = [Event("device.online", {"device_id": str(row.id), "online": online}, row.site_id) for row in rows]
    await events.publish(tx, changes, now)


async def count_by_gateway(tx: AsyncConnection) -> dict[UUID, int]:
    """How many agents each gateway holds a connection of."""
    return {row.gateway_id: row.number for row in await tx.execute(_BY_GATEWAY)}

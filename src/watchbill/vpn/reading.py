"""SQL of what is told about tunnels: to whoever puts them into a device's desired state, waits for them, or looks at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Uuid, any_, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.vpn_rules import PeerFacts, TunnelState, hub_address
from watchbill.devices.tables import devices
from watchbill.identity import SiteScope
from watchbill.vpn.store import HubRow
from watchbill.vpn.tables import vpn_peers

_P: Final = vpn_peers.c


@dataclass(frozen=True, slots=True)
class TunnelWanted:
    """The tunnel that a device is to have, as it is told: its own address, and the hub's key, place and addresses."""

    address: str
    hub_public_key: str
    hub_endpoint: str
    hub_addresses: tuple[str, ...]
    keepalive_seconds: int
    open_until: datetime | None


@dataclass(frozen=True, slots=True)
class StoredPeer:
    """A device with what is known of its tunnel."""

    device_id: UUID
    hostname: str
    site_id: int | None
    facts: PeerFacts
    endpoint: str | None
    rx_bytes: int
    tx_bytes: int


async def wanted(
    tx: AsyncConnection, hub: HubRow, device_ids: Sequence[UUID], now: datetime
) -> dict[UUID, TunnelWanted]:
    """The tunnels that are to be open now."""
    query = select(_P.device_id, func.host(_P.address).label("address"), _P.open_until).join(
        devices, devices.c.id == _P.device_id
    )
    is_open = (_P.public_key.is_not(None), _P.address.is_not(None), _P.open_until > now, devices.c.status == "active")
    rows = await tx.execute(query.where(_P.device_id == _any(device_ids), *is_open))
    return {row.device_id: _wanted(row, hub) for row in rows}


def _wanted(row: Row[*tuple[Any, ...]], hub: HubRow) -> TunnelWanted:
    return TunnelWanted(
        f"{row.address}/32",
        hub.public_key,
        hub.endpoint,
        (f"{hub_address(hub.subnet)}/32",),
        hub.keepalive_seconds,
        row.open_until,
    )


async def facts_of(tx: AsyncConnection, device_ids: Sequence[UUID]) -> dict[UUID, PeerFacts]:
    """What is known of these devices' tunnels; who has told nothing is left out."""
    query = select(*_FACTS).where(_P.device_id == _any(device_ids), _P.released_at.is_(None))
    return {row.device_id: _facts(row) for row in await tx.execute(query)}


async def find_peer(tx: AsyncConnection, device_id: UUID) -> StoredPeer | None:
    row = (await tx.execute(_peers().where(_P.device_id == device_id))).one_or_none()
    return None if row is None else _peer(row)


async def list_peers(
    tx: AsyncConnection,
    scope: SiteScope,
    *,
    q: str | None,
    site_id: int | None,
    after: tuple[str, UUID] | None,
    limit: int,
) -> list[StoredPeer]:
    """By host name."""
    name = func.lower(devices.c.hostname)
    query = _peers().where(scope.clause(devices.c.site_id))
    if q:
        query = query.where(devices.c.hostname.icontains(q, autoescape=True))
    if site_id is not None:
        query = query.where(devices.c.site_id == site_id)
    if after is not None:
        place = tuple_(func.lower(literal(after[0])), literal(after[1], Uuid()))
        query = query.where(tuple_(name, devices.c.id) > place)
    rows = await tx.execute(query.order_by(name, devices.c.id).limit(limit))
    return [_peer(row) for row in rows]


_FACTS: Final = (
    _P.device_id,
    _P.public_key.is_not(None).label("has_key"),
    _P.problem,
    func.host(_P.address).label("address"),
    (func.coalesce(_P.applied_key, "") == func.coalesce(_P.public_key, "-")).label("is_applied"),
    _P.open_until,
    _P.reported_state,
    _P.reported_detail,
    _P.handshake_at,
    _P.heard_at,
)


def _peers() -> Select[Any]:
    return (
        select(*_FACTS, devices.c.hostname, devices.c.site_id, _P.endpoint, _P.rx_bytes, _P.tx_bytes)
        .join(devices, devices.c.id == _P.device_id)
        .where(_P.released_at.is_(None))
    )


def _peer(row: Row[Any]) -> StoredPeer:
    return StoredPeer(row.device_id, row.hostname, row.site_id, _facts(row), row.endpoint, row.rx_bytes, row.tx_bytes)


def _facts(row: Row[Any]) -> PeerFacts:
    return PeerFacts(
        has_key=row.has_key,
        problem=row.problem,
        address=row.address,
        is_applied=row.is_applied,
        open_until=row.open_until,
        reported=None if row.reported_state is None else TunnelState(row.reported_state),
        reported_detail=row.reported_detail,
        handshake_at=row.handshake_at,
        heard_at=row.heard_at,
    )


def _any(device_ids: Sequence[UUID]) -> ColumnElement[Any]:
    return any_(literal(list(device_ids), ARRAY(Uuid())))

"""What operators see of the VPN: the hub and its pool as a whole, and the tunnels of the devices of their sites."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.problems import Problem
from watchbill.core.vpn_rules import REST, SESSION, Readiness, capacity, hub_lack, readiness_of
from watchbill.identity import EVERY_SITE, Actor, Permission
from watchbill.kit.errors import ForbiddenError, InvalidError
from watchbill.kit.paging import Page, decode_cursor, page_of
from watchbill.vpn import reading, store
from watchbill.vpn.reading import StoredPeer
from watchbill.vpn.store import Counts, HubRow


@dataclass(frozen=True, slots=True)
class Overview:
    """The hub, why it serves nobody (None: it serves), and its peers in numbers. `capacity`: how many devices it has addresses for."""

    hub: HubRow
    lack: str | None
    counts: Counts
    capacity: int


@dataclass(frozen=True, slots=True)
class Tunnel:
    """A device's tunnel, judged."""

    peer: StoredPeer
    readiness: Readiness


async def overview(tx: AsyncConnection, actor: Actor, now: datetime) -> Overview | None:
    """For those who see every site, as the hub serves all of them; None: there is no hub."""
    actor.require(Permission.SERVICES_WRITE)
    if actor.scope != EVERY_SITE:
        raise ForbiddenError("The hub serves every site, and you do not see all of them.", code="every_site_needed")
    hub = await store.find_hub(tx)
    if hub is None:
        return None
    counts = await store.counts(tx, now, fresh=now - SESSION, resting=now - REST)
    return Overview(hub, hub_lack(hub.facts, now), counts, capacity(hub.subnet))


async def list_peers(
    tx: AsyncConnection,
    actor: Actor,
    now: datetime,
    *,
    q: str | None = None,
    site_id: int | None = None,
    limit: int,
    cursor: str | None = None,
) -> Page[Tunnel]:
    """The tunnels of the devices that the caller sees, by host name."""
    actor.require(Permission.READ)
    hub = await store.find_hub(tx)
    after = None if cursor is None else _after(cursor)
    rows = await reading.list_peers(tx, actor.scope, q=q, site_id=site_id, after=after, limit=limit + 1)
    page = page_of(rows, limit, lambda peer: (peer.hostname, str(peer.device_id)))
    return page.map(lambda peer: _judged(peer, hub, now))


async def find_tunnel(tx: AsyncConnection, device_id: UUID, now: datetime) -> Tunnel | None:
    """The tunnel of a device that the caller sees; None: it has told nothing of one."""
    peer = await reading.find_peer(tx, device_id)
    return None if peer is None else _judged(peer, await store.find_hub(tx), now)


def _judged(peer: StoredPeer, hub: HubRow | None, now: datetime) -> Tunnel:
    return Tunnel(peer, readiness_of(None if hub is None else hub.facts, peer.facts, now))


def _after(cursor: str) -> tuple[str, UUID]:
    hostname, device_id = decode_cursor(cursor, (str, str))
    try:
        return str(hostname), UUID(str(device_id))
    except ValueError:
        wrong = Problem("cursor", "invalid", "must be a next_cursor of this list")
        raise InvalidError("The cursor does not belong to this list.", problems=[wrong]) from None

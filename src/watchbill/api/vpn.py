"""`/api/vpn`: the WireGuard hub with its pool of addresses, and the tunnels of devices. Changes nothing."""

from typing import Annotated

from fastapi import Query
from pydantic import Field

from watchbill import vpn
from watchbill.api.auth import Caller
from watchbill.api.common import Id, Instant, Model, Now, PageOf, SearchQuery, Tx, router
from watchbill.api.tunnel_shapes import PeerReply, peer_reply
from watchbill.core.vpn_rules import HubState
from watchbill.vpn import Overview

resource = router(prefix="/api/vpn", tags=["vpn"])


class HubReply(Model):
    """The Engine's end of all tunnels. `state` is what its process said at `heard_at`."""

    state: HubState
    detail: str | None
    host: str
    interface: str
    public_key: str
    endpoint: str = Field(description="where devices reach it, by UDP")
    heard_at: Instant


class PoolReply(Model):
    """Addresses of devices. `resting`: of revoked devices; nobody else gets them for a day."""

    subnet: str
    capacity: int
    used: int
    resting: int


class TunnelCounts(Model):
    """`applied`: known to the hub; `open`: asked to be open; `connected`: of those, with a handshake that counts; `refused`: keys that are not taken."""

    known: int
    applied: int
    open: int
    connected: int
    refused: int


class VpnReply(Model):
    """How it stands with the VPN. `lack` says why no tunnel can be used; null = tunnels can be used. Without a hub all else is null."""

    lack: str | None
    hub: HubReply | None
    pool: PoolReply | None
    tunnels: TunnelCounts | None


class PeerQuery(SearchQuery):
    q: Annotated[str | None, Field(max_length=200, description="part of the host name")] = None
    site_id: Id | None = None


@resource.get("")
async def get_vpn(tx: Tx, caller: Caller, now: Now) -> VpnReply:
    """The hub, its addresses and its tunnels in numbers; for those who see every site."""
    found = await vpn.overview(tx, caller, now)
    return VpnReply(lack=vpn.NO_HUB, hub=None, pool=None, tunnels=None) if found is None else _reply(found)


def _reply(found: Overview) -> VpnReply:
    hub, counts = found.hub, found.counts
    return VpnReply(
        lack=found.lack,
        hub=HubReply.model_validate(hub),
        pool=PoolReply(subnet=str(hub.subnet), capacity=found.capacity, used=counts.used, resting=counts.resting),
        tunnels=TunnelCounts(
            known=counts.peers,
            applied=counts.applied,
            open=counts.open,
            connected=counts.connected,
            refused=counts.refused,
        ),
    )


@resource.get("/peers")
async def list_vpn_peers(tx: Tx, caller: Caller, now: Now, query: Annotated[PeerQuery, Query()]) -> PageOf[PeerReply]:
    """The tunnels of the caller's devices, by host name. Devices that have told of none are not among them."""
    page = await vpn.list_peers(
        tx, caller, now, q=query.q, site_id=query.site_id, limit=query.limit, cursor=query.cursor
    )
    return PageOf[PeerReply].of(page, peer_reply)

"""A device's tunnel as replies show it."""

from uuid import UUID

from pydantic import Field

from watchbill.api.common import Instant, Model
from watchbill.vpn import ReadyState, Tunnel, TunnelState


class TunnelReply(Model):
    """`state`: whether work can go through it now; `detail` says why not."""

    state: ReadyState
    detail: str | None
    address: str | None = Field(description="the device's own in the tunnel; it keeps it")
    open_until: Instant | None = Field(description="until when it is asked to be open")
    reported: TunnelState | None = Field(description="what the device says of its end")
    handshake_at: Instant | None
    heard_at: Instant | None = Field(description="when the hub last noticed packets from it")
    endpoint: str | None = Field(description="where its packets come from, as the hub sees it")
    rx_bytes: int = Field(description="come from the device, as last noticed")
    tx_bytes: int = Field(description="gone to the device, as last noticed")


class PeerReply(TunnelReply):
    """A device and its tunnel."""

    device_id: UUID
    hostname: str
    site_id: int | None


def tunnel_reply(tunnel: Tunnel) -> TunnelReply:
    peer, facts = tunnel.peer, tunnel.peer.facts
    return TunnelReply(
        state=tunnel.readiness.state,
        detail=tunnel.readiness.detail,
        address=facts.address,
        open_until=facts.open_until,
        reported=facts.reported,
        handshake_at=facts.handshake_at,
        heard_at=facts.heard_at,
        endpoint=peer.endpoint,
        rx_bytes=peer.rx_bytes,
        tx_bytes=peer.tx_bytes,
    )


def peer_reply(tunnel: Tunnel) -> PeerReply:
    peer = tunnel.peer
    shown = tunnel_reply(tunnel).model_dump()
    return PeerReply(**shown, device_id=peer.device_id, hostname=peer.hostname, site_id=peer.site_id)

"""The VPN: a WireGuard tunnel from the Engine's hub to each device, opened on demand, for work that goes to devices by SSH or WinRM."""

from watchbill.core.vpn_rules import NO_HUB, Readiness, ReadyState, TunnelState
from watchbill.vpn.hub import (
    HubDraft,
    Interest,
    OpenedHub,
    interest,
    note_applied,
    note_hub,
    note_seen,
    open_hub,
    owning_host,
    peers_to_apply,
    reseal,
)
from watchbill.vpn.looking import Overview, Tunnel, find_tunnel, list_peers, overview
from watchbill.vpn.reading import TunnelWanted
from watchbill.vpn.store import Seen
from watchbill.vpn.tunnels import (
    CHANGED_CHANNEL,
    DESIRED_CHANNEL,
    HUB_CHANNEL,
    TunnelReported,
    look_again,
    note_reported,
    prepare,
    readiness,
    remove,
    wanted,
)

__all__ = [
    "CHANGED_CHANNEL",
    "DESIRED_CHANNEL",
    "HUB_CHANNEL",
    "NO_HUB",
    "HubDraft",
    "Interest",
    "OpenedHub",
    "Overview",
    "Readiness",
    "ReadyState",
    "Seen",
    "Tunnel",
    "TunnelReported",
    "TunnelState",
    "TunnelWanted",
    "find_tunnel",
    "interest",
    "list_peers",
    "look_again",
    "note_applied",
    "note_hub",
    "note_reported",
    "note_seen",
    "open_hub",
    "overview",
    "owning_host",
    "peers_to_apply",
    "prepare",
    "readiness",
    "remove",
    "reseal",
    "wanted",
]

"""The rules of the VPN: which addresses there are, what a key is, and when a tunnel can be used, in words where it cannot."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network
from itertools import islice
from typing import Final

#: WireGuard makes a new session every two minutes and uses none for longer than three: an older handshake carries nothing.
SESSION: Final = timedelta(seconds=180)
#: Of so many keepalives in a row at least one arrives where packets arrive at all.
KEEPALIVES: Final = 3
#: What is read on a beat is known this much later.
READ_LATE: Final = timedelta(seconds=12)
#: An address is given to nobody else for so long: who still means the device of before must not reach another.
REST: Final = timedelta(hours=24)
#: A hub that has not been heard of for so long has ended or hangs.
HUB_SILENT: Final = timedelta(seconds=45)

NO_HUB: Final = "the Engine has no VPN hub; WATCHBILL_VPN turns it on"

#: The network's own address, the hub's and the broadcast address are no device's.
_RESERVED: Final = 3
# 32 bytes in base64: 43 characters, of which the last has two bits that must be zero.
_KEY: Final = re.compile(r"[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=")
#: The point of order one, with which every secret would be the same.
_ZERO: Final = "A" * 43 + "="


class TunnelState(StrEnum):
    """What a device says of its end."""

    DOWN = "down"
    UP = "up"
    UNAVAILABLE = "unavailable"


class HubState(StrEnum):
    """What the process that owns the hub says of it."""

    UP = "up"
    FAILED = "failed"
    STOPPED = "stopped"


class ReadyState(StrEnum):
    """Whether work can go through a tunnel. `unavailable`: waiting alone will not help."""

    READY = "ready"
    NOT_READY = "not_ready"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class HubFacts:
    """What is known of the hub. `heard_at`: the last sign of life of the process that owns it."""

    state: HubState
    detail: str | None
    heard_at: datetime
    keepalive: timedelta


@dataclass(frozen=True, slots=True)
class PeerFacts:
    """What is known of a device's tunnel. `heard_at`: when the hub last noticed that packets had come from it."""

    has_key: bool
    problem: str | None
    address: str | None
    is_applied: bool
    open_until: datetime | None
    reported: TunnelState | None
    reported_detail: str | None
    handshake_at: datetime | None
    heard_at: datetime | None


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a device can be reached through its tunnel now; `detail` says why not, for people."""

    state: ReadyState
    address: str | None
    handshake_at: datetime | None
    detail: str | None


# --- addresses ---------------------------------------------------------------------------------------------------------


def hub_address(subnet: IPv4Network) -> IPv4Address:
    return subnet.network_address + 1


def capacity(subnet: IPv4Network) -> int:
    """How many devices can have an address."""
    return subnet.num_addresses - _RESERVED


def fresh_addresses(subnet: IPv4Network, highest: IPv4Address | None, number: int) -> list[IPv4Address]:
    """The next addresses after the highest that was ever given: `number` of them, or as many as there are."""
    return list(islice(_after(subnet, highest), number))


def _after(subnet: IPv4Network, highest: IPv4Address | None) -> Iterator[IPv4Address]:
    last = hub_address(subnet) if highest is None else max(highest, hub_address(subnet))
    while (last := last + 1) < subnet.broadcast_address:
        yield last


# --- keys --------------------------------------------------------------------------------------------------------------


def key_problem(key: str) -> str | None:
    """Why this is no public key of WireGuard; None when it is one."""
    if not _KEY.fullmatch(key):
        return "the device has told something else than a key"
    return "the device has told a key that protects nothing" if key == _ZERO else None


# --- readiness ---------------------------------------------------------------------------------------------------------


def readiness_of(hub: HubFacts | None, peer: PeerFacts | None, now: datetime) -> Readiness:
    """Whether the device can be reached: the hub knows it, it says that its end is up, and packets go through."""
    obstacle = _obstacle(hub, peer, now)
    address, handshake_at = (None, None) if peer is None else (peer.address, peer.handshake_at)
    if obstacle is None:
        return Readiness(ReadyState.READY, address, handshake_at, None)
    state, detail = obstacle
    return Readiness(state, address, handshake_at, detail)


Obstacle = tuple[ReadyState, str]


def _obstacle(hub: HubFacts | None, peer: PeerFacts | None, now: datetime) -> Obstacle | None:
    lacking = hub_lack(hub, now) or _lack(peer)
    if lacking is not None:
        return ReadyState.UNAVAILABLE, lacking
    assert hub is not None
    assert peer is not None
    waiting = _wait(peer, now) or _silence(hub, peer, now)
    return None if waiting is None else (ReadyState.NOT_READY, waiting)


def hub_lack(hub: HubFacts | None, now: datetime) -> str | None:
    """Why the hub serves nobody."""
    if hub is None:
        return NO_HUB
    if hub.state is HubState.FAILED:
        return f"the VPN hub does not work: {hub.detail or 'its process has not said why'}"
    if hub.state is HubState.STOPPED:
        return "the VPN hub is stopped"
    if now - hub.heard_at > HUB_SILENT:
        return f"the VPN hub has given no sign of life for {_spoken(now - hub.heard_at)}"
    return None


def _lack(peer: PeerFacts | None) -> str | None:
    """What the device does not have, and will not get by waiting."""
    if peer is None:
        return "the device has told no key: its agent makes no tunnels, or has not connected since the VPN is on"
    if peer.problem is not None:
        return peer.problem
    if not peer.has_key:
        return "the device has told no key"
    if peer.reported is TunnelState.UNAVAILABLE:
        return f"the device cannot make a tunnel: {peer.reported_detail or 'it does not say why'}"
    return None if peer.address is not None else "all addresses of the VPN are given"


def _wait(peer: PeerFacts, now: datetime) -> str | None:
    """What has yet to happen before packets can go through."""
    if not peer.is_applied:
        return "the hub does not know the device's key yet"
    if peer.open_until is None or peer.open_until <= now:
        return "the tunnel is closed: nothing has asked for it"
    if peer.reported is not TunnelState.UP:
        return f"the device has not opened its end yet{f': {peer.reported_detail}' if peer.reported_detail else ''}"
    return None


def _silence(hub: HubFacts, peer: PeerFacts, now: datetime) -> str | None:
    """Why nothing goes through although both ends are open."""
    if peer.handshake_at is None:
        return "there was no handshake yet: packets do not get through, or the device is away"
    if now - peer.handshake_at > SESSION:
        return f"the last handshake was {_spoken(now - peer.handshake_at)} ago: packets do not get through"
    heard_at = max(peer.handshake_at, peer.heard_at or peer.handshake_at)
    if now - heard_at > KEEPALIVES * hub.keepalive + READ_LATE:
        return f"nothing has come through the tunnel for {_spoken(now - heard_at)}: packets do not get through"
    return None


def _spoken(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    if seconds < 120:
        return f"{seconds} seconds"
    if seconds < 7200:
        return f"{seconds // 60} minutes"
    return f"{seconds // 3600} hours" if seconds < 172_800 else f"{seconds // 86_400} days"

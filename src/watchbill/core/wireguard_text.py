"""What the tool `wg` reads and writes: peers as a piece of its configuration, and its dump of an interface.

The dump begins with the interface's private key. It is dropped here, and stands in no value and no message.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

_NONE: Final = {"(none)", "off"}
_PEER_FIELDS: Final = 8
_INTERFACE_FIELDS: Final = 4


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """A peer as it is to be: who it is, and the one address that is its own. `endpoint`: where it was last, when its tunnel is open."""

    public_key: str
    address: str
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class PeerDump:
    """A peer as it is. `handshake`: seconds since 1970 by the clock of the host; 0 = none yet."""

    public_key: str
    endpoint: str | None
    allowed_ips: tuple[str, ...]
    handshake: int
    rx_bytes: int
    tx_bytes: int


@dataclass(frozen=True, slots=True)
class Dump:
    """An interface as it is. `public_key` None: it has no key yet."""

    public_key: str | None
    listen_port: int
    peers: tuple[PeerDump, ...]


def parse_dump(text: str) -> Dump:
    """Read what `wg show INTERFACE dump` wrote; ValueError when it is something else."""
    lines = text.splitlines()
    if not lines:
        raise ValueError("the dump of an interface is empty")
    own = lines[0].split("\t")
    if len(own) != _INTERFACE_FIELDS:
        raise ValueError("the first line of a dump does not describe an interface")
    return Dump(_or_none(own[1]), _number(own[2]), tuple(_peer(line.split("\t")) for line in lines[1:]))


def _peer(parts: list[str]) -> PeerDump:
    if len(parts) != _PEER_FIELDS:
        raise ValueError("a line of a dump does not describe a peer")
    key, _, endpoint, allowed, handshake, received, sent, _ = parts
    allowed_ips = () if allowed in _NONE else tuple(allowed.split(","))
    return PeerDump(key, _or_none(endpoint), allowed_ips, _number(handshake), _number(received), _number(sent))


def _or_none(word: str) -> str | None:
    return None if word in _NONE else word


def _number(word: str) -> int:
    if not (word.isascii() and word.isdigit()):
        raise ValueError("a number of a dump is none")
    return int(word)


def interface_text(private_key: str, listen_port: int) -> str:
    """An interface for `wg setconf`, which takes away all peers."""
    return f"[Interface]\nPrivateKey = {private_key}\nListenPort = {listen_port}\n"


def peers_text(peers: Iterable[PeerConfig], *, knock_seconds: int | None = None) -> str:
    """Peers for `wg addconf`. With `knock_seconds` the hub itself sends something at once to where each was last, and again so often."""
    return "".join(_peer_text(one, knock_seconds) for one in peers)


def _peer_text(peer: PeerConfig, knock_seconds: int | None) -> str:
    lines = ["[Peer]", f"PublicKey = {peer.public_key}", f"AllowedIPs = {peer.address}/32"]
    if peer.endpoint is not None:
        lines.append(f"Endpoint = {peer.endpoint}")
        if knock_seconds is not None:
            lines.append(f"PersistentKeepalive = {knock_seconds}")
    return "\n".join(lines) + "\n"


def quiet_text(peers: Iterable[PeerConfig]) -> str:
    """The same peers, to which the hub sends nothing by itself any more."""
    return "".join(f"{_peer_text(replace(one, endpoint=None), None)}PersistentKeepalive = off\n" for one in peers)


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be done so that an interface has just the wanted peers."""

    put: tuple[PeerConfig, ...]
    remove: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        return not self.put and not self.remove


def difference(there: Dump, wanted: Iterable[PeerConfig]) -> Difference:
    """Peers that are missing or have another address, and those that nobody wants any more."""
    by_key = {one.public_key: one for one in wanted}
    found = {one.public_key: one.allowed_ips for one in there.peers}
    put = tuple(one for key, one in by_key.items() if found.get(key) != (f"{one.address}/32",))
    return Difference(put, tuple(key for key in found if key not in by_key))

"""The Engine's end of all tunnels, as the one process that owns its interface needs it: the key, the peers, and what it sees of them.

The private key is made once, kept sealed, and opened only in that process.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Network
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.core.vpn_rules import SESSION, HubState
from watchbill.core.wireguard_text import PeerConfig
from watchbill.identity import ENGINE, audit
from watchbill.kit import db
from watchbill.kit.secrets import KeyRing, Secret, SecretError
from watchbill.vpn import store
from watchbill.vpn.store import Seen
from watchbill.vpn.tunnels import CHANGED_CHANNEL, give_addresses, tell

_CONTEXT: Final = "vpn_hub.private_key"
#: After so long a tunnel that was asked for and has no handshake is looked at like any other.
_AWAITED_FOR: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class HubDraft:
    """The hub as the settings of its process have it."""

    subnet: IPv4Network
    endpoint: str
    keepalive_seconds: int
    interface: str
    host: str


@dataclass(frozen=True, slots=True)
class OpenedHub:
    """The hub with its private key, for the process that owns its interface."""

    public_key: str
    private_key: Secret
    subnet: IPv4Network


@dataclass(frozen=True, slots=True)
class Interest:
    """How many tunnels somebody waits for, and how many are open."""

    awaited: int
    open: int


async def open_hub(tx: AsyncConnection, keys: KeyRing, draft: HubDraft, now: datetime) -> OpenedHub:
    """Make the hub unless there is one, bring it to these settings, and open its key.

    With another subnet all devices get other addresses, in the order in which they came.
    """
    await store.hold_pool(tx)
    before = await store.find_hub(tx)
    sealed = await store.find_private_key(tx)
    private = _opened(keys, sealed) if sealed else _new_key()
    public_key = _public_of(private)
    values = {name: getattr(draft, name) for name in ("endpoint", "keepalive_seconds", "interface", "host")}
    told = {"state": HubState.STOPPED.value if before is None else before.state.value, "heard_at": now}
    made = {"public_key": public_key, "private_key_sealed": sealed or keys.seal_text(private.reveal(), _CONTEXT)}
    await store.put_hub(tx, {**values, **told, **made, "subnet": str(draft.subnet), "created_at": now})
    if before is None:
        await audit.record(tx, ENGINE, "vpn_hub.created", "vpn_hub", public_key, now=now)
    elif before.subnet != draft.subnet:
        await store.forget_addresses(tx)
    await give_addresses(tx, None, now)
    return OpenedHub(public_key, private, draft.subnet)


def _opened(keys: KeyRing, sealed: str) -> Secret:
    try:
        return keys.open_text(sealed, _CONTEXT)
    except SecretError as error:
        raise SecretError(f"the hub's private key cannot be opened: {error}") from None


def _new_key() -> Secret:
    return Secret(_text(X25519PrivateKey.generate().private_bytes_raw()))


def _public_of(private: Secret) -> str:
    key = X25519PrivateKey.from_private_bytes(base64.b64decode(private.reveal()))
    return _text(key.public_key().public_bytes_raw())


def _text(raw: bytes) -> str:
    """A key as WireGuard's tools write it."""
    return base64.b64encode(raw).decode()


async def reseal(tx: AsyncConnection, keys: KeyRing) -> int:
    """Seal the hub's key under the active key if an older one sealed it; returns how many were."""
    sealed = await store.find_private_key(tx)
    fresh = None if sealed is None else keys.renewed(sealed, _CONTEXT)
    if fresh == sealed:
        return 0
    await store.update_hub(tx, {"private_key_sealed": fresh})
    return 1


async def note_hub(tx: AsyncConnection, state: HubState, detail: str | None, host: str, now: datetime) -> None:
    """A sign of life of the process that owns the hub, with how it stands; whoever waits is told when that is new."""
    before = await store.find_hub(tx)
    if before is None:
        return
    await store.update_hub(tx, {"state": state.value, "detail": detail, "host": host, "heard_at": now})
    if (before.state, before.detail) != (state, detail):
        await db.notify(tx, CHANGED_CHANNEL)


async def owning_host(tx: AsyncConnection) -> str | None:
    """Where the process runs that owned the hub last."""
    hub = await store.find_hub(tx)
    return None if hub is None else hub.host


async def peers_to_apply(tx: AsyncConnection, now: datetime) -> list[PeerConfig]:
    """The peers that the interface is to have: every active device with a key and an address."""
    return await store.to_apply(tx, now)


async def note_applied(tx: AsyncConnection, public_keys: Sequence[str]) -> None:
    """These, and no others, are peers of the interface now."""
    await tell(tx, CHANGED_CHANNEL, await store.put_applied(tx, public_keys))


async def note_seen(tx: AsyncConnection, seen: Sequence[Seen], now: datetime) -> list[UUID]:
    """What the interface shows of its peers; only news are written. Returns the devices that made a new handshake."""
    hub = await store.find_hub(tx)
    if hub is None or not seen:
        return []
    shaken = await store.put_seen(tx, seen, now, rest_seconds=hub.keepalive_seconds)
    await tell(tx, CHANGED_CHANNEL, shaken)
    return shaken


async def interest(tx: AsyncConnection, now: datetime) -> Interest:
    """How closely the interface is to be looked at."""
    awaited, is_open = await store.count_awaited(tx, now, since=now - _AWAITED_FOR, stale=now - SESSION)
    return Interest(awaited, is_open)

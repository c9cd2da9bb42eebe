"""The service that owns the hub: brings peers to the interface when they change, and tells what the interface shows of them.

One process at a time does so, by a lock of the database; any other stands by. A lost database changes nothing at the interface.
"""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from watchbill import vpn
from watchbill.apps.vpn.interface import Interface
from watchbill.apps.vpn.tools import ToolError
from watchbill.apps.wiring import Engine
from watchbill.core.vpn_rules import HubState
from watchbill.core.wireguard_text import Dump, PeerConfig, PeerDump, difference
from watchbill.kit import log
from watchbill.kit.clock import host_seconds
from watchbill.kit.db import HUB_LOCK, SoleLock
from watchbill.kit.secrets import SecretError
from watchbill.kit.service import Wake, pause
from watchbill.vpn import HubDraft, OpenedHub, Seen

#: Seconds between two looks while somebody waits for a tunnel, and else.
FAST: Final = 0.5
SLOW: Final = 10.0
#: Peers are compared with the database at least this often, whatever was announced.
RECONCILE: Final = 30.0
#: How long what failed is left alone; less where it has worked before, as when somebody has taken the interface away.
_RETRY, _SOON = 10.0, 1.0
#: Who stands by looks this often whether the owner is gone.
_STANDBY: Final = 2.0

_logger = log.get("vpn")


def _monotonic() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Watch:
    """What has been told of each peer, and when packets were last found to have come from it: its counters say how many, not when."""

    _told: dict[str, PeerDump] = field(default_factory=dict)
    _heard_at: dict[str, float] = field(default_factory=dict)

    def news(self, peers: Sequence[PeerDump], now: float) -> list[tuple[PeerDump, float | None]]:
        """Peers that are not as they were told, each with the seconds since it was heard; None = it was not, since this process looks."""
        changed = [one for one in peers if self._told.get(one.public_key) != one]
        found = [(one, self._age(one, now)) for one in changed]
        return [(one, age) for one, age in found if one.handshake or age is not None]

    def _age(self, peer: PeerDump, now: float) -> float | None:
        before = self._told.get(peer.public_key)
        if before is not None and before.rx_bytes != peer.rx_bytes:
            self._heard_at[peer.public_key] = now
        heard_at = self._heard_at.get(peer.public_key)
        return None if heard_at is None else now - heard_at

    def told(self, peers: Sequence[PeerDump]) -> None:
        """All of it is stored now; of others nothing is remembered."""
        self._told = {one.public_key: one for one in peers}
        self._heard_at = {key: at for key, at in self._heard_at.items() if key in self._told}


@dataclass
class Hub:
    """Owns the interface from when it gets the lock until it is stopped."""

    engine: Engine
    wake: Wake = field(default_factory=Wake)
    host: str = field(default_factory=socket.gethostname)
    _watch: Watch = field(default_factory=Watch)
    _is_changed: bool = True
    _compared_at: float = float("-inf")
    _knocked: tuple[PeerConfig, ...] = ()
    _has_interface: bool = False

    def __post_init__(self) -> None:
        self.interface = Interface(self.engine.settings.vpn_interface)
        self.lock = SoleLock(self.engine.db.conninfo, HUB_LOCK)

    def heard(self, _payload: str = "") -> None:
        """A peer came, went or changed."""
        self._is_changed = True
        self.wake.ring()

    async def run(self, stop: asyncio.Event) -> None:
        try:
            while not stop.is_set():
                if await self.lock.take():
                    await self._own(stop)
                    await self.lock.release()
                else:
                    await self._stand_by()
                    await pause(stop, _STANDBY)
        finally:
            await self.lock.release()

    async def _stand_by(self) -> None:
        """Another process owns the hub. If it does so on another host, an interface of ours would answer for it with what is past."""
        async with self.engine.db.begin() as tx:
            host = await vpn.owning_host(tx)
        if self._has_interface and host != self.host:
            await self._remove()

    async def _own(self, stop: asyncio.Event) -> None:
        """As long as the lock is ours. At a stop the interface goes; otherwise it stays as it is, for whoever comes next."""
        try:
            await self._begin()
            while not stop.is_set() and await self.lock.is_held():
                await self.wake.wait(stop, await self.step())
        except (ToolError, SecretError) as error:
            _logger.warning("hub.failed", error=str(error))
            await self._say(HubState.FAILED, str(error))
            await pause(stop, _SOON if self._has_interface else _RETRY)
        if stop.is_set():
            await self._end()

    async def _end(self) -> None:
        if self._has_interface:
            await self._remove()
        await self._say(HubState.STOPPED)

    async def _remove(self) -> None:
        try:
            await self.interface.remove()
            self._has_interface = False
        except ToolError as error:
            _logger.warning("hub.not_removed", error=str(error))

    async def _begin(self) -> None:
        """Bring the hub's row to our settings, and the interface to the row."""
        hub = await self._open()
        is_new = await self.interface.ensure(
            hub.private_key, hub.public_key, self.engine.settings.vpn_listen_port, hub.subnet
        )
        self._has_interface = True
        await self._compare()
        _logger.info("hub.up", interface=self.interface.name, is_new=is_new)

    async def _open(self) -> OpenedHub:
        config = self.engine.settings
        assert config.vpn_endpoint is not None
        draft = HubDraft(
            config.vpn_subnet, str(config.vpn_endpoint), config.vpn_keepalive_seconds, config.vpn_interface, self.host
        )
        async with self.engine.db.begin() as tx:
            return await vpn.open_hub(tx, self.engine.keys, draft, await self.engine.clock.now(tx))

    async def step(self) -> float:
        """One look; returns how many seconds to rest."""
        if self._is_changed or _monotonic() - self._compared_at > RECONCILE:
            await self._compare()
        elif self._knocked:
            await self._hush()
        await self._look(await self.interface.dump())
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            await vpn.note_hub(tx, HubState.UP, None, self.host, now)
            interest = await vpn.interest(tx, now)
        return FAST if interest.awaited or self._knocked else SLOW

    async def _compare(self) -> None:
        """Bring the interface's peers to what the database says, and say so there."""
        self._is_changed = False
        async with self.engine.db.begin() as tx:
            wanted = await vpn.peers_to_apply(tx, await self.engine.clock.now(tx))
        change = difference(await self.interface.dump(), wanted)
        # Who has an open tunnel and was forgotten here (a new interface, a device that was disabled) would notice in minutes only.
        await self.interface.apply(change, knock_seconds=self.engine.settings.vpn_keepalive_seconds)
        self._knocked += tuple(one for one in change.put if one.endpoint is not None)
        async with self.engine.db.begin() as tx:
            await vpn.note_applied(tx, [one.public_key for one in wanted])
        self._compared_at = _monotonic()
        if not change.is_empty:
            _logger.info("hub.peers", put=len(change.put), removed=len(change.remove))

    async def _hush(self) -> None:
        """Leave it to devices again to show that they are there."""
        there = {one.public_key for one in (await self.interface.dump()).peers}
        await self.interface.hush(tuple(one for one in self._knocked if one.public_key in there))
        self._knocked = ()

    async def _look(self, dump: Dump) -> None:
        """Tell what is new of peers."""
        read_at = host_seconds()
        seen = [_seen(one, age, read_at) for one, age in self._watch.news(dump.peers, _monotonic())]
        if seen:
            async with self.engine.db.begin() as tx:
                await vpn.note_seen(tx, seen, await self.engine.clock.now(tx))
        self._watch.told(dump.peers)

    async def _say(self, state: HubState, detail: str | None = None) -> None:
        async with self.engine.db.begin() as tx:
            await vpn.note_hub(tx, state, detail, self.host, await self.engine.clock.now(tx))


def _seen(peer: PeerDump, heard_age: float | None, read_at: float) -> Seen:
    shaken_age = max(read_at - peer.handshake, 0.0) if peer.handshake else None
    return Seen(peer.public_key, peer.endpoint, shaken_age, heard_age, peer.rx_bytes, peer.tx_bytes)

"""Looks at the addresses of a scope: which ports are open, and whether they are SSH, WinRM or SMB. Signs in nowhere.

    limiter = Limiter(SweepLimits())               # one for the process: its sweeps share sockets and rate, and take turns
    spots = [(one.address, one.ports) for one in expand(scope, resolved) if one.address and not one.is_excluded]
    async with sweep(spots, ports, limits, limiter) as sightings:
        async for sighting in sightings:           # as they come, not in order
            platform, why = platform_of(sighting)  # discovery_platform
            machine_ports = found_ports(sighting, ports)

A spot is an address and the ports that the scope gives for it; where it gives any, they are tried instead of the usual ones. Every spot has
one sighting with a knock for each port; a knock without `detail` is an open port of the service that its banner begins with (`SSH-`, `WinRM`,
`SMB`). Leaving the block, and a cancel, close every socket at once. Names are resolved by `discovery_names.resolve`.
"""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final

from watchbill.onboarding.base import Address, Knock, Ports, Sighting
from watchbill.onboarding.discovery_connect import Attempt, Connector, family_of
from watchbill.onboarding.discovery_limits import MOST_PORTS, Limiter, SweepLimits
from watchbill.onboarding.discovery_names import Neighbours
from watchbill.onboarding.discovery_talk import Talker

__all__ = ["Limiter", "Spot", "SweepLimits", "sweep"]

#: An address, and the ports that its entries give.
Spot = tuple[Address, Sequence[int]]

#: After so many addresses others have the event loop.
_AT_A_TIME: Final = 16


def sweep(
    spots: Iterable[Spot], ports: Ports, limits: SweepLimits | None = None, limiter: Limiter | None = None
) -> AbstractAsyncContextManager[AsyncIterator[Sighting]]:
    """Look at all spots; they are taken from the iterator as there is room, so it may be long. One sighting for each.

    `limiter` is shared by the sweeps of a process; without one the sweep has its own.
    """
    limits = limits or SweepLimits()
    return _Sweep(spots, ports, limits, limiter or Limiter(limits))


@dataclass(slots=True, eq=False)
class _Looking:
    """One address while it is looked at."""

    address: Address
    host: str
    family: int
    attempts: list[Attempt] = field(default_factory=list)
    #: Ports of which it is not known yet whether they are open.
    open_questions: int = 0
    #: Ports from which nothing at all came back.
    silent: int = 0
    is_seen: bool = False
    tries: int = 0


class _Sweep:
    """One sweep. Addresses that show nothing, which most do, are dealt with by calls alone; an open port is worth a task."""

    def __init__(self, spots: Iterable[Spot], ports: Ports, limits: SweepLimits, limiter: Limiter) -> None:
        self._spots = spots
        self._usual = tuple(dict.fromkeys((ports.ssh, ports.winrm, ports.winrm_tls, ports.smb)))
        self._limits = limits
        self._limiter = limiter
        self._talker = Talker(ports, limits, limiter)
        self._neighbours = Neighbours()
        self._connector: Connector
        self._tasks: Final = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()
        self._looking: set[_Looking] = set()
        self._found: deque[Sighting] = deque()
        self._closed_knocks: dict[tuple[int, str], Knock] = {}
        self._is_fed = False
        #: The consumer waits for a sighting; the feeder waits for room.
        self._arrival: asyncio.Future[None] | None = None
        self._room: asyncio.Future[None] | None = None

    async def __aenter__(self) -> AsyncIterator[Sighting]:
        await self._tasks.__aenter__()
        self._connector = Connector(self._limits.connect_seconds)
        self._start(self._feed())
        return self._sightings()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._running:
            task.cancel()
        self._connector.close()
        # What the block raised is not the group's, which would wrap it; a cancel may be.
        is_cancel = isinstance(error, asyncio.CancelledError)
        try:
            await self._tasks.__aexit__(*((kind, error, trace) if is_cancel else (None, None, None)))
        finally:
            for looking in self._looking:
                for attempt in looking.attempts:
                    self._end(attempt)

    # --- the iterator of whoever sweeps ----------------------------------------------------------------------------------

    async def _sightings(self) -> AsyncIterator[Sighting]:
        while True:
            while self._found:
                sighting = self._found.popleft()
                self._wake_feeder()
                yield sighting
            if self._is_fed and not self._looking:
                return
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival

    def _deliver(self, looking: _Looking, knocks: Sequence[Knock]) -> None:
        self._looking.discard(looking)
        self._found.append(Sighting(looking.address, knocks))
        self._wake_consumer()

    def _wake_consumer(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    def _wake_feeder(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)

    # --- connections -----------------------------------------------------------------------------------------------------

    async def _feed(self) -> None:
        """Begin with one address after the other, when it is this sweep's turn and there is room for what will be found."""
        for number, (address, given) in enumerate(self._spots, start=1):
            while len(self._looking) + len(self._found) >= self._limiter.at_once:
                self._room = asyncio.get_running_loop().create_future()
                await self._room
            wanted = tuple(dict.fromkeys(given)) or self._usual
            if len(wanted) > MOST_PORTS:
                raise ValueError(f"{len(wanted)} ports are given for {address}: at most {MOST_PORTS} may be")
            if not self._limiter.try_take(len(wanted)):
                await self._limiter.take(len(wanted))
            looking = _Looking(address, str(address), family_of(address))
            self._looking.add(looking)
            self._knock(looking, wanted)
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)
        self._is_fed = True
        self._wake_consumer()

    def _knock(self, looking: _Looking, wanted: Sequence[int]) -> None:
        """Try all ports. The sockets for them have been taken from the limiter."""

        def settled(attempt: Attempt) -> None:
            self._settled(looking, attempt)

        looking.tries += 1
        looking.silent = 0
        looking.open_questions = len(wanted)
        looking.attempts = [Attempt(port, settled) for port in wanted]
        for attempt in looking.attempts:
            self._connector.start(attempt, looking.family, looking.host)

    def _settled(self, looking: _Looking, attempt: Attempt) -> None:
        if attempt.sock is None:
            self._end(attempt)
            looking.silent += attempt.is_silent
        else:
            looking.is_seen = True
        looking.open_questions -= 1
        if looking.open_questions == 0:
            self._conclude(looking)

    def _conclude(self, looking: _Looking) -> None:
        """All ports of an address are tried."""
        attempts = looking.attempts
        if looking.is_seen:
            self._start(self._talk(looking))
        elif looking.silent == len(attempts) and self._is_worth_another(looking):
            self._start(self._knock_again(looking))
        else:
            self._deliver(looking, [self._closed(one) for one in attempts])

    def _closed(self, attempt: Attempt) -> Knock:
        """Most knocks of a sweep are one of a few, which are made once."""
        what = (attempt.port, attempt.detail)
        knock = self._closed_knocks.get(what)
        if knock is None:
            knock = self._closed_knocks[what] = Knock(attempt.port, is_open=False, detail=attempt.detail)
        return knock

    def _is_worth_another(self, looking: _Looking) -> bool:
        """A lost packet may be the reason; nobody at the address, as far as the neighbours know, is none."""
        return looking.tries <= self._limits.retries and not self._neighbours.is_missing(looking.address)

    async def _knock_again(self, looking: _Looking) -> None:
        wanted = [one.port for one in looking.attempts]
        await self._limiter.take(len(wanted))
        self._knock(looking, wanted)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def _end(self, attempt: Attempt) -> None:
        """The socket of a port is no longer needed."""
        if attempt.sock is not None:
            attempt.sock.close()
            attempt.sock = None
        if attempt.has_turn:
            attempt.has_turn = False
            self._limiter.give()

    # --- open ports ------------------------------------------------------------------------------------------------------

    async def _talk(self, looking: _Looking) -> None:
        """Ask every open port what it is, all at once."""
        asked: dict[int, asyncio.Task[Knock]] = {}
        async with asyncio.TaskGroup() as tasks:
            for attempt in looking.attempts:
                if attempt.sock is not None:
                    asked[attempt.port] = tasks.create_task(self._ask(looking.address, attempt, attempt.sock))
        knocks = [asked[one.port].result() if one.port in asked else self._closed(one) for one in looking.attempts]
        self._deliver(looking, knocks)

    async def _ask(self, address: Address, attempt: Attempt, sock: socket.socket) -> Knock:
        try:
            answer = await self._talker.ask(address, attempt.port, sock)
        finally:
            self._end(attempt)
        return Knock(attempt.port, is_open=True, banner=answer.banner, detail=answer.detail)

"""How hard a network is looked at: sockets at once and new connections a second, shared in turn by all sweeps of a process."""

import asyncio
import resource
import time
from collections import deque
from dataclasses import dataclass
from typing import Final

#: One address may have so many ports, each with a socket.
MOST_PORTS: Final = 32


@dataclass(frozen=True, slots=True)
class SweepLimits:
    """What sweeps may take, and how long they wait.

    A machine that is not there keeps four sockets for `connect_seconds`, so 1,024 at once are 256 such addresses: few enough for a neighbour
    table of the usual 512 to 1,024 entries. The kernel repeats a SYN after a second, within the 1.5 seconds of the first try.
    """

    at_once: int = 1_024
    #: New connections a second over all sweeps; None = as many as there can be.
    per_second: int | None = 2_000
    connect_seconds: float = 1.5
    #: How long an open port may take to say what it is.
    banner_seconds: float = 5.0
    #: How long a port of no known purpose may be silent, before it is spoken to first.
    quiet_seconds: float = 1.5
    #: Further tries of an address that showed nothing at all.
    retries: int = 1

    def __post_init__(self) -> None:
        if self.at_once < MOST_PORTS:
            raise ValueError(f"at_once must be at least {MOST_PORTS}: so many ports may be tried of one address")
        if self.per_second is not None and self.per_second < 1:
            raise ValueError("per_second must be at least 1")


class Limiter:
    """Gives sockets to the sweeps of one process and one event loop, first come, first served.

    A sweep asks for one address at a time and waits for it, so sweeps take turns: a small one is not behind all of a large one.
    """

    def __init__(self, limits: SweepLimits | None = None) -> None:
        limits = limits or SweepLimits()
        # Half of the files that this process may have open are for others.
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        allowed = limits.at_once if files == resource.RLIM_INFINITY else min(limits.at_once, files // 2)
        self.at_once: Final = max(allowed, MOST_PORTS)
        self._free = self.at_once
        self._per_second = limits.per_second
        # A twentieth of a second's worth may go out at once: a switch has buffers for that.
        self._burst = max((limits.per_second or 0) / 20, MOST_PORTS)
        self._tokens = self._burst
        self._filled_at = time.monotonic()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def try_take(self, number: int) -> bool:
        """Take that many sockets for new connections, if that needs no waiting."""
        return not self._waiting and self._take(number)

    async def take(self, number: int) -> None:
        """Take that many sockets for new connections, when it is this caller's turn."""
        if self.try_take(number):
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((number, turn))
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting = deque(one for one in self._waiting if one[1] is not turn)
                self._serve()
            else:
                self.give(number)
            raise

    def give(self, number: int = 1) -> None:
        """Sockets are closed."""
        self._free += number
        if self._waiting:
            self._serve()

    def _take(self, number: int) -> bool:
        if number > self._free:
            return False
        if self._per_second is not None:
            self._fill(self._per_second)
            if number > self._tokens:
                return False
            self._tokens -= number
        self._free -= number
        return True

    def _fill(self, per_second: int) -> None:
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * per_second)
        self._filled_at = now

    def _serve(self) -> None:
        while self._waiting:
            number, turn = self._waiting[0]
            if not turn.done():
                if not self._take(number):
                    self._serve_later(number)
                    return
                turn.set_result(None)
            self._waiting.popleft()

    def _serve_later(self, number: int) -> None:
        """Sockets come back by `give`; only for the rate there must be a timer."""
        if self._per_second is None or number > self._free or self._timer is not None:
            return
        seconds = max((number - self._tokens) / self._per_second, 0.001)
        self._timer = asyncio.get_running_loop().call_later(seconds, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._serve()

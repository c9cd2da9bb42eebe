"""Opens many connections without a task, a timer or a callback for each: one epoll within the event loop, one timer for all.

Most addresses of a sweep have nobody who answers, so what costs is the trying. Sockets that are open are handed on; all others are closed here.
"""

import asyncio
import errno
import os
import select
import socket
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from watchbill.onboarding.base import Address

#: This machine lacks something for the moment: the try is put off, so that nobody is called unreachable for it.
_LACKS: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.EAGAIN))
_PUT_OFF_SECONDS: Final = 0.2
_PUT_OFFS: Final = 25

_WORDS: Final = {
    errno.ECONNREFUSED: "the connection was refused",
    errno.ECONNRESET: "the connection was reset",
    errno.EHOSTUNREACH: "the host is not to be reached",
    errno.ENETUNREACH: "there is no route to its network",
    errno.EACCES: "a firewall forbids it",
    errno.EPERM: "the firewall of the site worker forbids it",
}


class Attempt:
    """One port of one address. At its end `sock` is the open connection, or `detail` says why there is none."""

    __slots__ = ("deadline", "detail", "has_turn", "is_silent", "port", "put_off", "settled", "sock")

    def __init__(self, port: int, settled: Callable[["Attempt"], None]) -> None:
        self.port = port
        self.settled = settled
        self.sock: socket.socket | None = None
        self.detail = ""
        #: Nothing at all came back.
        self.is_silent = False
        #: A socket of the limiter is still counted for it.
        self.has_turn = True
        self.deadline = 0.0
        self.put_off = 0


class Connector:
    """The connections of one sweep that are being opened. To be closed at its end."""

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._epoll = select.epoll()
        self._opening: dict[int, Attempt] = {}
        self._by_deadline: deque[Attempt] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._later: set[asyncio.TimerHandle] = set()
        self._loop.add_reader(self._epoll.fileno(), self._on_events)

    def close(self) -> None:
        """Close every connection that is not open yet. None of them is settled any more."""
        for handle in (*self._later, *([self._timer] if self._timer else [])):
            handle.cancel()
        for attempt in self._opening.values():
            if attempt.sock is not None:
                attempt.sock.close()
        self._opening.clear()
        self._by_deadline.clear()
        self._later.clear()
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()

    def start(self, attempt: Attempt, family: int, host: str) -> None:
        """Begin; `attempt.settled` is called when it is known what came of it, which may be at once."""
        try:
            sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            self._failed_to_start(attempt, family, host, error.errno or 0)
            return
        code = sock.connect_ex((host, attempt.port))
        if code == errno.EINPROGRESS:
            # On this machine, and seldom elsewhere, the answer is there already.
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            sock.close()
            self._failed_to_start(attempt, family, host, code)
            return
        attempt.sock = sock
        self._opening[sock.fileno()] = attempt
        self._epoll.register(sock.fileno(), select.EPOLLOUT)
        self._expect(attempt)

    def _failed_to_start(self, attempt: Attempt, family: int, host: str, code: int) -> None:
        if code not in _LACKS:
            self._fail(attempt, code)
        elif attempt.put_off < _PUT_OFFS:
            attempt.put_off += 1
            self._put_off(attempt, family, host)
        else:
            attempt.detail = f"it could not be tried: {os.strerror(code)}"
            attempt.settled(attempt)

    def _put_off(self, attempt: Attempt, family: int, host: str) -> None:
        def again() -> None:
            self._later.discard(handle)
            self.start(attempt, family, host)

        handle = self._loop.call_later(_PUT_OFF_SECONDS, again)
        self._later.add(handle)

    def _fail(self, attempt: Attempt, code: int) -> None:
        attempt.is_silent = code == errno.ETIMEDOUT
        attempt.detail = _WORDS.get(code) or os.strerror(code)
        attempt.settled(attempt)

    # --- what comes back -----------------------------------------------------------------------------------------------

    def _on_events(self) -> None:
        for number, _ in self._epoll.poll(0, 256):
            attempt = self._opening.pop(number, None)
            if attempt is None or attempt.sock is None:
                continue
            self._epoll.unregister(number)
            code = attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._drop(attempt)
                self._fail(attempt, code)
            else:
                attempt.settled(attempt)
            if self._epoll.closed:
                return

    def _drop(self, attempt: Attempt) -> None:
        if attempt.sock is not None:
            attempt.sock.close()
            attempt.sock = None

    # --- what does not -------------------------------------------------------------------------------------------------

    def _expect(self, attempt: Attempt) -> None:
        """All wait equally long, so they end in the order in which they began."""
        attempt.deadline = time.monotonic() + self._seconds
        self._by_deadline.append(attempt)
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        now = time.monotonic()
        while self._by_deadline:
            attempt = self._by_deadline[0]
            is_opening = attempt.sock is not None and self._opening.get(attempt.sock.fileno()) is attempt
            if is_opening and attempt.deadline > now:
                self._timer = self._loop.call_later(attempt.deadline - now, self._on_time)
                return
            self._by_deadline.popleft()
            if is_opening:
                self._give_up(attempt)

    def _give_up(self, attempt: Attempt) -> None:
        assert attempt.sock is not None
        del self._opening[attempt.sock.fileno()]
        self._drop(attempt)  # a closed socket leaves the epoll by itself
        attempt.is_silent = True
        attempt.detail = f"no answer within {self._seconds:g} s"
        attempt.settled(attempt)


def family_of(address: Address) -> int:
    return socket.AF_INET if address.version == 4 else socket.AF_INET6

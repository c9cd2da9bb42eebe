"""Names and neighbours: the addresses of a name, the name of an address, and who of the same network answers ARP. Asks this host's resolver."""

import asyncio
import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

from watchbill.onboarding.base import Address

_ARP: Final = Path("/proc/net/arp")
#: The kernel's flags of an entry: it is complete.
_COMPLETE: Final = 0x2
#: The table is not read again within this.
_FRESH_SECONDS: Final = 0.5

T = TypeVar("T")


# --- names -------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Resolution:
    """Addresses by name, IPv4 first; and why other names have none. Every name that was asked for is in one of the two."""

    addresses: dict[str, Sequence[Address]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


async def resolve(names: Iterable[str], *, seconds: float = 10, at_once: int = 32) -> Resolution:
    """Look names up, so many at once, each within its seconds.

    A look-up cannot be stopped: one that takes longer goes on in a thread of its own until the resolver gives up, and is not waited for.
    """
    found = Resolution()
    turns = asyncio.Semaphore(at_once)

    async def look_up(name: str) -> None:
        async with turns:
            try:
                found.addresses[name] = await in_thread(lambda: _addresses(name), seconds)
            except TimeoutError:
                found.failures[name] = f"the resolver did not answer within {seconds:g} s"
            except (OSError, UnicodeError) as error:
                found.failures[name] = _words(error)

    async with asyncio.TaskGroup() as tasks:
        for name in dict.fromkeys(names):
            tasks.create_task(look_up(name))
    return found


def _addresses(name: str) -> list[Address]:
    answers = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    # An address with a zone (fe80::1%2) is of this machine's wire: without it it is no address that could be connected to.
    texts = dict.fromkeys(str(answer[4][0]).partition("%")[0] for answer in answers)
    return sorted((ipaddress.ip_address(text) for text in texts), key=lambda one: one.version)


def _words(error: OSError | UnicodeError) -> str:
    if not isinstance(error, socket.gaierror):
        return f"it could not be looked up: {error}"
    if error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}:
        return "there is no such name"
    if error.errno == socket.EAI_AGAIN:
        return "the resolver failed, or could not be reached; it may know the name later"
    return f"the resolver failed: {error.strerror}"


async def reverse_name(address: Address, *, seconds: float = 3) -> str | None:
    """The name that the resolver has for an address; None = none, or no answer in time. It is a hint: nobody checks such names."""
    try:
        name = await in_thread(lambda: socket.getnameinfo((str(address), 0), socket.NI_NAMEREQD)[0], seconds)
    except (OSError, UnicodeError):
        return None
    return name.rstrip(".") or None


async def in_thread(work: Callable[[], T], seconds: float) -> T:
    """The result of a blocking call. Its thread ends with the process at the latest: nothing waits for it."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    outcome: list[T] = []

    def tell(error: OSError | UnicodeError | None) -> None:
        if ended.done():
            return
        if error is None:
            ended.set_result(None)
        else:
            ended.set_exception(error)

    def run() -> None:
        failure = None
        try:
            outcome.append(work())
        except (OSError, UnicodeError) as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(tell, failure)

    threading.Thread(target=run, name="resolve", daemon=True).start()
    async with asyncio.timeout(seconds):
        await ended
    return outcome[0]


# --- neighbours --------------------------------------------------------------------------------------------------------


def neighbours(text: str | None = None) -> dict[Address, str | None]:
    """IPv4 neighbours of this host by the kernel's table: the MAC address of each, None where nobody answers for the address."""
    if text is None:
        try:
            text = _ARP.read_text()
        except OSError:
            return {}
    rows = (line.split() for line in text.splitlines()[1:])
    return {
        ipaddress.ip_address(row[0]): row[3] if int(row[2], 16) & _COMPLETE else None for row in rows if len(row) >= 6
    }


class Neighbours:
    """The table of neighbours, read anew when it is old."""

    def __init__(self, read: Callable[[], Mapping[Address, str | None]] = neighbours) -> None:
        self._read = read
        self._table: Mapping[Address, str | None] = {}
        self._read_at: float | None = None

    def is_missing(self, address: Address) -> bool:
        """Whether the address is of this host's own network, and nobody there has it."""
        now = time.monotonic()
        if self._read_at is None or now - self._read_at > _FRESH_SECONDS:
            self._table, self._read_at = self._read(), now
        return address in self._table and self._table[address] is None

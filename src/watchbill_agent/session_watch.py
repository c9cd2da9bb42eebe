"""Notices sign-ins and sign-outs: told by the kernel when the files that say so change, and looked for on a slow beat besides.

The beat is for what changes no file: a session whose first process died.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from watchbill_agent.sessions import Platform
from watchbill_wire import SignedIn

BEAT_SECONDS = 30.0
#: A sign-in writes several times; it is looked at when that is over.
REST_SECONDS = 0.1
#: MODIFY, CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE.
_EVENTS = 0x2 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200


class SessionWatch:
    def __init__(self, platform: Platform, tell: Callable[[tuple[SignedIn, ...]], None]) -> None:
        self._platform = platform
        self._tell = tell
        self._known: tuple[SignedIn, ...] | None = None

    def look(self) -> None:
        found = self._platform.found()
        if found != self._known:
            self._known = found
            self._tell(found)

    async def run(self) -> None:
        changed = asyncio.Event()
        with _told_of(self._platform.places(), changed.set):
            while True:
                try:
                    await asyncio.wait_for(changed.wait(), BEAT_SECONDS)
                    await asyncio.sleep(REST_SECONDS)
                except asyncio.TimeoutError:
                    pass
                changed.clear()
                self.look()


@contextmanager
def _told_of(places: tuple[Path, ...], changed: Callable[[], None]) -> Iterator[None]:
    """Calls `changed` while the files do. Where the kernel cannot tell, the beat is all there is."""
    descriptor = _watch(places)
    if descriptor < 0:
        yield
        return
    loop = asyncio.get_running_loop()

    def on_news() -> None:
        os.read(descriptor, 65536)
        changed()

    loop.add_reader(descriptor, on_news)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _watch(places: tuple[Path, ...]) -> int:
    """An inotify descriptor, or a negative number. A file that is not there yet is waited for in its folder."""
    if not sys.platform.startswith("linux"):
        return -1
    library = ctypes.CDLL(None)
    descriptor: int = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    for place in places if descriptor >= 0 else ():
        for path in (place, place.parent):
            if library.inotify_add_watch(descriptor, os.fsencode(path), _EVENTS) >= 0:
                break
    return descriptor

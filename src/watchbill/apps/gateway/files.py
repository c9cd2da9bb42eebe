"""Files on their way to devices: one piece at a time for each, in the order in which they ask, from few statements for many.

A device asks for the next piece when it has the last, so a slow one has one piece under way and keeps nobody waiting. What waits in the
sockets of all of them together is bounded: nothing is read from the database for anybody while that is full.
"""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

import watchbill_wire as wire
from watchbill import assemblies, runs
from watchbill.apps.gateway.connection import Connection
from watchbill.apps.wiring import Engine
from watchbill.kit.service import Wake, pause

#: Answered by one transaction: 4 MiB at most.
HANDFUL = 16
#: Sent and not read yet, over all sockets; it is looked at again this often while it is full.
MOST_UNREAD_BYTES, AGAIN_SECONDS = 128 * 1024 * 1024, 0.2
#: Pieces that are kept: a fleet that gets the same file asks for the same ones within seconds.
KEPT_PIECES = 128

_NOT_THEIRS = "There is no such file for this execution, or the execution has ended."
_GONE = "The content of the file is not kept by the Engine any more."

Place = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """What one device wants."""

    connection: Connection
    fetch: wire.Fetch

    @property
    def claim(self) -> tuple[uuid.UUID, uuid.UUID, str]:
        return uuid.UUID(self.fetch.execution_id), self.connection.device_id, self.fetch.sha256

    @property
    def place(self) -> Place:
        return self.fetch.sha256, self.fetch.offset


@dataclass
class FileServer:
    """A service that answers what devices ask of files."""

    engine: Engine
    wake: Wake = field(default_factory=Wake)
    _waiting: OrderedDict[Connection, wire.Fetch] = field(default_factory=OrderedDict)
    _kept: OrderedDict[Place, bytes] = field(default_factory=OrderedDict)
    _readers: set[Connection] = field(default_factory=set)

    def asked(self, connection: Connection, fetch: wire.Fetch) -> None:
        """A device has one wish at a time: a new one takes the place of the one before."""
        self._waiting[connection] = fetch
        self.wake.ring()

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if not self._waiting:
                await self.wake.wait(stop, 60)
            elif self._unread_bytes() > MOST_UNREAD_BYTES:
                await pause(stop, AGAIN_SECONDS)
            else:
                await self._answer_some()

    def _unread_bytes(self) -> int:
        sizes = {one: one.unread_bytes() for one in self._readers}
        self._readers = {one for one, size in sizes.items() if size}
        return sum(sizes.values())

    async def _answer_some(self) -> None:
        some = [Asked(*self._waiting.popitem(last=False)) for _ in range(min(HANDFUL, len(self._waiting)))]
        some = [one for one in some if one.connection.is_open]
        try:
            theirs, parts = await self._look_up(some)
        except BaseException:
            for one in some:  # in vain: again, unless something else is wanted meanwhile
                self._waiting.setdefault(one.connection, one.fetch)
            raise
        for one in some:
            self._readers.add(one.connection)
            one.connection.send(_reply(one, is_theirs=one.claim in theirs, data=parts.get(one.place)))

    async def _look_up(self, some: Sequence[Asked]) -> tuple[set[tuple[uuid.UUID, uuid.UUID, str]], dict[Place, bytes]]:
        async with self.engine.db.begin() as tx:
            theirs = await runs.entitled(tx, [one.claim for one in some])
            places = {one.place for one in some if one.claim in theirs}
            found = {place: self._kept[place] for place in places if place in self._kept}
            read = await assemblies.read_parts(tx, sorted(places - found.keys()), wire.MAX_PIECE_BYTES)
        found |= {(one.sha256, one.offset): one.data for one in read if one.data}
        self._keep(found)
        return theirs, found

    def _keep(self, found: dict[Place, bytes]) -> None:
        for place, data in found.items():
            self._kept[place] = data
            self._kept.move_to_end(place)
        while len(self._kept) > KEPT_PIECES:
            self._kept.popitem(last=False)


def _reply(asked: Asked, *, is_theirs: bool, data: bytes | None) -> wire.Piece | wire.NoFile:
    fetch = asked.fetch
    if is_theirs and data:
        return wire.Piece(fetch.execution_id, fetch.sha256, fetch.offset, data)
    return wire.NoFile(fetch.execution_id, fetch.sha256, _GONE if is_theirs else _NOT_THEIRS)

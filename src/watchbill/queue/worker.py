"""The worker's side of the queue: one site's lanes, claimed through PgQueuer, handed to a handler one lease at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import psycopg
from pgqueuer import errors as pgqueuer_errors
from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Job as Entry
from psycopg import AsyncRawCursor
from psycopg.rows import dict_row

from watchbill.queue.store import Lane, entrypoint

#: A queue entry whose worker stopped beating for this long is handed to another one.
LEASE = timedelta(seconds=20)

Handle = Callable[[int], Awaitable[None]]


class RetryError(Exception):
    """Raised by a handler to have its item given back after `delay`."""

    def __init__(self, delay: timedelta) -> None:
        super().__init__(f"again in {delay}")
        self.delay = delay


class _TwoConnections(PsycopgDriver):
    """Listens on one connection and asks on another.

    On a single one every statement waits until the listening generator lets go of it: measured, up to 380 ms from
    enqueue to start instead of 8.
    """

    def __init__(self, asking: psycopg.AsyncConnection, listening: psycopg.AsyncConnection) -> None:
        super().__init__(listening)
        self._asking = asking

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        cursor = AsyncRawCursor(self._asking, row_factory=dict_row)
        await cursor.execute(query.encode(), args or None)
        return await cursor.fetchall()

    async def execute(self, query: str, *args: object) -> str:
        cursor = AsyncRawCursor(self._asking)
        await cursor.execute(query.encode(), args or None)
        return cursor.statusmessage or ""


@dataclass
class SiteQueue:
    """A service that hands `handle(item_id)` each entry of one site. `lanes` = how many of a lane run at once, over all workers."""

    conninfo: str
    site_id: int
    lanes: Mapping[Lane, int]
    handle: Handle
    busy: int = 0
    became_idle: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self, stop: asyncio.Event) -> None:
        async with await self._connect("queue") as asking, await self._connect("queue-listen") as listening:
            manager = QueueManager(Queries(_TwoConnections(asking, listening)))
            for lane, limit in self.lanes.items():
                manager.entrypoint(entrypoint(lane, self.site_id), concurrency_limit=limit)(self._take)
            async with asyncio.TaskGroup() as group:
                work = group.create_task(manager.run(heartbeat_timeout=LEASE, batch_size=10))
                stopped = group.create_task(stop.wait())
                await asyncio.wait((work, stopped), return_when=asyncio.FIRST_COMPLETED)
                manager.shutdown.set()
                stopped.cancel()

    async def _connect(self, name: str) -> psycopg.AsyncConnection:
        return await psycopg.AsyncConnection.connect(
            self.conninfo, autocommit=True, application_name=f"watchbill-{name}"
        )

    async def _take(self, entry: Entry) -> None:
        assert entry.payload is not None
        self.busy += 1
        self.became_idle.clear()
        self.began.set()
        try:
            await self.handle(int(entry.payload))
        except RetryError as retry:
            raise pgqueuer_errors.RetryRequested(delay=retry.delay) from retry
        finally:
            self.busy -= 1
            if not self.busy:
                self.became_idle.set()

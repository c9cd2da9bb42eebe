"""Setting the clock of a running fleet: it knows nothing of what is due, and moves all of the Engine at once.

The schedulers are away while the clock moves, and the agents come back under the new time: so it is the Engine that was off for
a while, not a clock that jumped under it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psycopg
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.flows.fleet import Fleet, running, until
from watchbill import runs
from watchbill.kit import db
from watchbill.kit.clock import Clock
from watchbill.kit.secrets import KeyRing

#: The clock stands this long before where it is to be while the agents come back: less than what makes a service look dead.
MARGIN = timedelta(seconds=20)

_CONNECTED = text("SELECT count(*) FROM device_presence WHERE gateway_id IS NOT NULL")
_BEHIND = text("SELECT count(*) FROM services WHERE stopped_at IS NULL AND heartbeat_at < :since")


@dataclass
class _Shift:
    by: timedelta


@dataclass(frozen=True, slots=True)
class Settable(Clock):
    """The database clock plus what `shift` is at the moment."""

    shift: _Shift = field(default_factory=lambda: _Shift(timedelta()))

    async def now(self, tx: AsyncConnection) -> datetime:
        return await Clock.now(self, tx) + self.shift.by


@dataclass
class Rehearsal:
    """A fleet that believes it to be another time; time goes on at its usual pace."""

    fleet: Fleet
    shift: _Shift

    async def now(self) -> datetime:
        async with self.fleet.db.begin() as tx:
            return await self.fleet.clock.now(tx)

    def as_engine_time(self, seconds: float) -> datetime:
        """What the Engine's clock showed when this host's (and its database's) showed `seconds` since 1970, as it stands now."""
        return datetime.fromtimestamp(seconds, UTC) + self.shift.by

    async def set_clock(self, at: datetime) -> None:
        """Let the Engine's clock stand at `at` when its schedulers are there again; the agents are connected by then.

        On a machine that is so slow that the agents take longer than `MARGIN`, it stands somewhat later.
        """
        fleet = self.fleet
        await asyncio.gather(fleet.schedulers.stop(), *[agent.stop() for agent in fleet.agents])
        await until(partial(self._are_connected, 0))
        await self._move(at - MARGIN)
        # What goes on meanwhile would look dead by the new time until it beats again.
        for heartbeat in fleet.heartbeats:
            heartbeat.wake.ring()
        await until(self._do_all_beat)
        await asyncio.gather(*[agent.start() for agent in fleet.agents])
        await until(partial(self._are_connected, len(fleet.agents)))
        await self._move(max(at, await self.now()))
        async with fleet.db.begin() as tx:
            await db.notify(tx, runs.GATEWAYS)
        fleet.schedulers.start()

    async def _move(self, at: datetime) -> None:
        self.shift.by += at - await self.now()

    async def _are_connected(self, number: int) -> bool:
        async with self.fleet.db.begin() as tx:
            return bool((await tx.execute(_CONNECTED)).scalar_one() == number)

    async def _do_all_beat(self) -> bool:
        async with self.fleet.db.begin() as tx:
            since = await self.fleet.clock.now(tx) - timedelta(seconds=20)
            return not (await tx.execute(_BEHIND, {"since": since})).scalar_one()


@asynccontextmanager
async def rehearsing(url: str, keys: KeyRing, folder: Path, at: datetime) -> AsyncIterator[Rehearsal]:
    """A fleet that starts at `at`."""
    shift = _Shift(at - _database_time(url))
    async with running(url, keys, folder, clock=Settable(shift=shift)) as fleet:
        yield Rehearsal(fleet, shift)


def _database_time(url: str) -> datetime:
    info = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(info) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    read: datetime = row[0]
    return read.astimezone(UTC)

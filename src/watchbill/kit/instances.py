"""Running processes of the Engine: each has a row in `services` with a heartbeat, and obeys its desired state.

An instance whose heartbeat is older than `STALE` is gone; whoever notices may give its work away.
"""

import asyncio
import os
import socket
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Literal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from watchbill.kit import log
from watchbill.kit.clock import Clock
from watchbill.kit.db import Database
from watchbill.kit.service import Wake, wait_any

Kind = Literal["api", "gateway", "scheduler", "site_worker", "vpn"]

BEAT = timedelta(seconds=10)
STALE = timedelta(seconds=35)

_REGISTER = text(
    "INSERT INTO services (id, kind, host, pid, version, site_id, address, public_url, certificate_pin, started_at, heartbeat_at)"
    " VALUES (:id, :kind, :host, :pid, :version, :site_id, :address, :public_url, :certificate_pin, :now, :now)"
    # There already when only the database was away for a while.
    " ON CONFLICT (id) DO UPDATE SET heartbeat_at = excluded.heartbeat_at WHERE services.stopped_at IS NULL"
)
_BEAT = text("UPDATE services SET heartbeat_at = :now WHERE id = :id AND stopped_at IS NULL RETURNING desired_state")
_STOP = text("UPDATE services SET stopped_at = :now WHERE id = :id AND stopped_at IS NULL")
_LIVE = text(
    "SELECT id, kind, host, pid, version, site_id, address, desired_state, started_at, heartbeat_at FROM services"
    " WHERE stopped_at IS NULL AND heartbeat_at > :since AND (CAST(:kind AS text) IS NULL OR kind = :kind)"
    " ORDER BY kind, started_at, id"
)
_RECENT = text(
    "SELECT id, kind, host, pid, version, site_id, address, desired_state, started_at, heartbeat_at, stopped_at FROM services"
    " WHERE stopped_at IS NULL OR stopped_at > :since ORDER BY kind, stopped_at IS NOT NULL, started_at, id"
)
_BURY = text(
    "UPDATE services SET stopped_at = :now WHERE stopped_at IS NULL AND heartbeat_at <= :since RETURNING id, kind"
)
_REACHED = text(
    "SELECT address, public_url, certificate_pin FROM services WHERE kind = 'api' AND stopped_at IS NULL AND heartbeat_at > :since"
    " ORDER BY started_at DESC LIMIT 1"
)
_FORGET = text("DELETE FROM services WHERE stopped_at < :before")

_logger = log.get("instances")


@dataclass(frozen=True, slots=True)
class Instance:
    """A live process as others see it."""

    id: uuid.UUID
    kind: Kind
    host: str
    pid: int
    version: str
    site_id: int | None
    address: str | None
    desired_state: str
    started_at: datetime
    heartbeat_at: datetime


@dataclass(frozen=True, slots=True)
class Recent(Instance):
    """A process that lives, fell silent, or ended a short while ago."""

    stopped_at: datetime | None


async def recent(tx: AsyncConnection, since: datetime) -> list[Recent]:
    """Those that have not ended, by their own word or another's, and those that ended since."""
    return [Recent(*row) for row in await tx.execute(_RECENT, {"since": since})]


async def live(tx: AsyncConnection, now: datetime, kind: Kind | None = None) -> list[Instance]:
    rows = await tx.execute(_LIVE, {"since": now - STALE, "kind": kind})
    return [Instance(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Reach:
    """How agents come to the API: the address it listens on, the URL that it was told, and the pin of its certificate."""

    address: str
    public_url: str | None
    certificate_pin: str | None


async def api_reach(tx: AsyncConnection, now: datetime) -> Reach | None:
    """As the newest API process that lives says it; None where none does."""
    row = (await tx.execute(_REACHED, {"since": now - STALE})).one_or_none()
    return Reach(*row) if row else None


async def bury_stale(tx: AsyncConnection, now: datetime) -> Sequence[tuple[uuid.UUID, str]]:
    """Mark instances whose heartbeat stopped as gone; returns (id, kind) of each. Old rows are dropped after a week."""
    await tx.execute(_FORGET, {"before": now - timedelta(days=7)})
    return [(row.id, row.kind) for row in await tx.execute(_BURY, {"now": now, "since": now - STALE})]


@dataclass
class Heartbeat:
    """A service that registers this process and beats until the end. `on_lost` is awaited when the Engine buried us meanwhile."""

    db: Database
    clock: Clock
    kind: Kind
    site_id: int | None = None
    address: str | None = None
    #: Of an API process: what agents are told.
    public_url: str | None = None
    certificate_pin: str | None = None
    on_lost: Callable[[], Awaitable[None]] | None = None
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    is_registered: asyncio.Event = field(default_factory=asyncio.Event)
    should_stop: asyncio.Event = field(default_factory=asyncio.Event)
    wake: Wake = field(default_factory=Wake)

    async def run(self, stop: asyncio.Event) -> None:
        await self._register()
        while not stop.is_set():
            await self.wake.wait(stop, BEAT.total_seconds())
            await self._beat()
        async with self.db.begin() as tx:
            await tx.execute(_STOP, {"id": self.id, "now": await self.clock.now(tx)})

    async def _register(self) -> None:
        async with self.db.begin() as tx:
            row = {
                "id": self.id,
                "kind": self.kind,
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "version": version("watchbill"),
                "site_id": self.site_id,
                "address": self.address,
                "public_url": self.public_url,
                "certificate_pin": self.certificate_pin,
                "now": await self.clock.now(tx),
            }
            await tx.execute(_REGISTER, row)
        self.is_registered.set()

    async def _beat(self) -> None:
        async with self.db.begin() as tx:
            desired = (await tx.execute(_BEAT, {"id": self.id, "now": await self.clock.now(tx)})).scalar_one_or_none()
        if desired is None:
            _logger.warning("instance.was_buried", id=str(self.id))
            self.id = uuid.uuid4()
            await self._register()
            if self.on_lost:
                await self.on_lost()
        elif desired != "running":
            self.should_stop.set()

    async def until_stop(self, stop: asyncio.Event) -> None:
        """Return when the process should end: by signal or by its desired state."""
        await wait_any((stop, self.should_stop), None)

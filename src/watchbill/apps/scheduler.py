"""The scheduler process: ticks, deadlines, housekeeping and site workers. Any number of them may run; there is no leader.

A tick locks the jobs it takes and passes over those that another scheduler has, so that two share the work by themselves.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from watchbill import agents, identity, jobs, queue, runs
from watchbill.apps.launcher import SiteWorkers
from watchbill.apps.wiring import Engine
from watchbill.core.schedule import tzdata_version
from watchbill.devices import presence
from watchbill.kit import events, instances, log
from watchbill.kit.db import Listener
from watchbill.kit.instances import Heartbeat
from watchbill.kit.service import Service, Wake, run_all, wait_any

#: Most jobs that one transaction takes; what is left over is taken by the next one at once.
TICK_LIMIT = 500
#: A tick looks at the clock at least this often, whatever was announced.
LONGEST_REST = timedelta(seconds=60)
#: Looks once, in vain, this many seconds before a due instant: what rested for long (this process, its connection, the
#: server's caches) is slow at first, and that is over by the instant. Measured: half of the lateness of a lone job.
WARM_UP = 0.03
#: What is due and held by somebody else is not looked for in a tight loop.
HELD_ELSEWHERE = 0.2
HOUSEKEEPING = timedelta(seconds=10)

_logger = log.get("scheduler")


@dataclass
class Ticker:
    """Opens what is due, then rests until the next due instant or until a job changes."""

    engine: Engine
    wake: Wake = field(default_factory=Wake)

    async def run(self, stop: asyncio.Event) -> None:
        while await self._adopt_zone_rules():
            continue
        while not stop.is_set():
            rest = await self.tick()
            await self.wake.wait(stop, rest - WARM_UP if rest > WARM_UP else rest)

    async def _adopt_zone_rules(self) -> int:
        """Due times that another release of the zone rules computed are computed anew; how many."""
        async with self.engine.db.begin() as tx:
            return await jobs.recompute_for_new_zone_rules(tx, await self.engine.clock.now(tx))

    async def tick(self) -> float:
        """One transaction: take, plan, write, advance. Returns how many seconds to rest."""
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            read_at = asyncio.get_running_loop().time()
            due = await jobs.take_due(tx, now, limit=TICK_LIMIT)
            plan = runs.plan(due, now)
            await runs.record_missed(tx, plan.missed, now)
            opened = await runs.open_occurrences(tx, plan.openings, now)
            await jobs.advance(tx, plan.advances, tzdata_version(), now)
            if len(due) == TICK_LIMIT:
                return 0
            rest = _until(await jobs.earliest_due(tx), now)
            if not due and not rest:
                rest = HELD_ELSEWHERE
        if opened:
            _logger.info("tick.opened", occurrences=len(opened), late=sum(one.is_late for one in plan.openings))
        # The rest is counted from when the clock was read, not from now.
        return max(rest - (asyncio.get_running_loop().time() - read_at), 0.0)


def _until(due: datetime | None, now: datetime) -> float:
    if due is None:
        return LONGEST_REST.total_seconds()
    return min(max((due - now).total_seconds(), 0.0), LONGEST_REST.total_seconds())


@dataclass
class Reaper:
    """Settles targets whose bound has passed."""

    engine: Engine

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            rest = await self.reap()
            await wait_any((stop,), rest)

    async def reap(self) -> float:
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            number = await runs.reap(tx, now)
            nearest = await runs.next_deadline(tx)
        if number:
            _logger.info("targets.overdue", number=number)
        rest = runs.LONGEST_REST if nearest is None else nearest - now
        # Rows that another scheduler is settling stay overdue for a moment; they are not asked for in a tight loop.
        return min(max(rest.total_seconds(), 0.2), runs.LONGEST_REST.total_seconds())


@dataclass
class Housekeeper:
    """Small duties on a slow beat: dead instances, paused jobs whose time is up, old rows."""

    engine: Engine

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.tidy()
            await wait_any((stop,), HOUSEKEEPING.total_seconds())

    async def tidy(self) -> None:
        keep = timedelta(minutes=self.engine.settings.event_log_minutes)
        async with self.engine.db.begin() as tx:
            now = await self.engine.clock.now(tx)
            for gone, kind in await instances.bury_stale(tx, now):
                _logger.warning("instance.gone", kind=kind, id=str(gone))
                if kind == "gateway":
                    await presence.gateway_gone(tx, gone, now)
                    await runs.devices_went_offline(tx, None, now)
            await events.prune(tx, now=now, keep=keep)
            await identity.prune(tx, now)
            await agents.expire_requests(tx, now)
        async with self.engine.db.begin() as tx:
            await jobs.resume_paused(tx, await self.engine.clock.now(tx))


def services(engine: Engine) -> tuple[list[Service], Heartbeat]:
    """Everything a scheduler runs, and the heartbeat that says when it should end."""
    queue.prepare()
    ticker = Ticker(engine)
    workers = SiteWorkers(engine)
    heartbeat = Heartbeat(engine.db, engine.clock, "scheduler")
    listener = Listener(engine.db.conninfo)
    listener.on(jobs.CHANNEL, ticker.wake.ring)
    listener.on(workers.channel, workers.wake.ring)
    return [listener, heartbeat, ticker, Reaper(engine), Housekeeper(engine), workers], heartbeat


async def main(engine: Engine) -> None:
    """Run a scheduler until it is told to stop."""
    parts, heartbeat = services(engine)
    await run_all(parts, heartbeat.should_stop)
